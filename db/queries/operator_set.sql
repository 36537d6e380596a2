-- Who does what, for the audit triggers, until the end of the transaction.
SELECT set_config('tillhook.actor', $1, true), set_config('tillhook.action', $2, true)
