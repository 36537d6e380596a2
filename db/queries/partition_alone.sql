SELECT pg_try_advisory_lock(hashtext('tillhook_janitor'))
