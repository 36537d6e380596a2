-- For the rest of the transaction, read in the order of an index, row by row.
-- A new partition has no statistics: the planner expects a handful of rows in
-- it and sorts what may be a hundred thousand, once a page. What is switched
-- off counts as very dear, for which the statement would be compiled.
SELECT set_config(name, 'off', true) FROM unnest(ARRAY['enable_sort', 'enable_bitmapscan', 'enable_seqscan', 'jit']) AS name
