-- What was refused: by which rule or check, to whom, how often, and since when.
SELECT
  COALESCE(rule, error_code) AS rule,
  user,
  operation,
  COUNT(*) AS refusals,
  MIN(time) AS first_time,
  MAX(time) AS last_time,
  ANY_VALUE(COALESCE(reason, error_message)) AS reason
FROM `{dataset}.exchanges`
WHERE outcome = 'denied'
GROUP BY rule, user, operation
