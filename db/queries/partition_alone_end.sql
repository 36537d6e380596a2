SELECT pg_advisory_unlock(hashtext('tillhook_janitor'))
