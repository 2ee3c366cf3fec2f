-- Who reads most: bytes that statements processed, and bytes of answers, by user and day.
SELECT
  DATE(time) AS day,
  user,
  COUNT(*) AS exchanges,
  COUNT(DISTINCT session) AS sessions,
  COUNTIF(operation IN ('jobs.query', 'jobs.insert')) AS statements,
  -- A job's size is told again by each answer about it: it counts once.
  SUM(IF(operation IN ('jobs.query', 'jobs.insert'), bytes_processed, 0)) AS bytes_processed,
  SUM(response_bytes) AS bytes_answered
FROM `{dataset}.exchanges`
GROUP BY day, user
