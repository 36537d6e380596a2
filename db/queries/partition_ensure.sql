SELECT tillhook_create_partitions(now() - make_interval(days => $1), now() + make_interval(days => $2))
