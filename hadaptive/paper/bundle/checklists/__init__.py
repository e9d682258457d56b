"""Two checklists of the field, answered from records: the ACM artifact appendix, and machine learning reproducibility.

An answer is what the records, the prepared data and the project's own files say. What they cannot say is
"not answered", with the reason; nothing is answered from memory.
"""
