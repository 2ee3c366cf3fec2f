-- How many sessions began each day, of how many people, how they ended, and how many connections were refused as unknown.
SELECT
  DATE(time) AS day,
  COUNT(DISTINCT IF(event = 'started', session, NULL)) AS started,
  COUNT(DISTINCT IF(event = 'started', user, NULL)) AS users,
  COUNT(DISTINCT IF(event = 'ended', session, NULL)) AS ended,
  COUNT(DISTINCT IF(event = 'revoked', session, NULL)) AS revoked,
  SUM(IF(event = 'refused', 1 + IFNULL(suppressed, 0), 0)) AS refused
FROM `{dataset}.sessions`
GROUP BY day
