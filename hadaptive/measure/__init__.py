"""What a model costs: operations, parameters, latency. Nothing is imported here: `latency` must stay free of torch."""
