"""From records to the paper's tables: specs, cells, frames, templates. Imports no torch and no pandas."""
