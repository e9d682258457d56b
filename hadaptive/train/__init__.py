"""Training: one loop; each task gives it model, data, loss and metrics."""
