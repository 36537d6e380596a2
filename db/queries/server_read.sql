-- What of the server's settings decides whether a 200 survives a power cut.
SELECT current_setting('server_version') AS version, current_setting('fsync') = 'on' AS fsync,
    current_setting('synchronous_commit') <> 'off' AS "synchronousCommit",
    current_setting('full_page_writes') = 'on' AS "fullPageWrites"
