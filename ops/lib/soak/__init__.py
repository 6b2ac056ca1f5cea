"""Parts of ops/soak: real processes under load that are killed at random, and the books afterwards."""
