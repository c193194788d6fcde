// Asks the role of this container whether it lives: exit code 0 when /healthz answers 200.
const url = `http://127.0.0.1:${process.env['REBOUND_HEALTH_PORT']}/healthz`;
const isHealthy = await fetch(url, { signal: AbortSignal.timeout(2500) }).then(
  (response) => response.ok,
  () => false,
);
process.exit(isHealthy ? 0 : 1);
