-- Exchanges that did not come to their end: the gateway ended first (incomplete), or the agent did not get the whole answer
-- (aborted). What is still running is not in the table yet.
SELECT
  time,
  ended,
  outcome,
  gateway,
  user,
  session,
  exchange,
  operation,
  job,
  status,
  error_code,
  error_message,
  response_bytes,
  sql
FROM `{dataset}.exchanges`
WHERE outcome IN ('incomplete', 'aborted')
