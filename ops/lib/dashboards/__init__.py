"""Parts of ops/dashboards: what dashboards and rules say, and a real run that they are asked about."""
