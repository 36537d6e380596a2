-- What of the server's settings decides whether a 200 survives a power cut, and
-- which version of the operating system's or ICU's sorting the database was made
-- with and finds now: NULL where it sorts by bytes, or nobody has noted it.
SELECT current_setting('server_version') AS version, current_setting('fsync') = 'on' AS fsync,
    current_setting('synchronous_commit') <> 'off' AS "synchronousCommit",
    current_setting('full_page_writes') = 'on' AS "fullPageWrites",
    quote_ident(d.datname) AS database, d.datcollversion AS "sortedBy", pg_database_collation_actual_version(d.oid) AS "sortsBy"
FROM pg_database d
WHERE d.datname = current_database()
