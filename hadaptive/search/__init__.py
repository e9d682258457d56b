"""Architecture search (section 3.4, appendix A.1 and A.3): GDAS over spaces of params.yaml, and the models it finds."""
