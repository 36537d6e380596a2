-- The newest migration that has been applied.
SELECT coalesce(max(g.version_id), 0) FROM goose_db_version g WHERE g.is_applied
