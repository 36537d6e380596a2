SELECT tillhook_drop_partition($1, $2, $3, $4)
