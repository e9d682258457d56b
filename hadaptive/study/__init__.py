"""What has to be run and shown, derived from params.yaml alone: Runs, measures, tables, figures. Imports no torch."""

from hadaptive.study.study import Study

__all__ = ["Study"]
