"""The bundle: one self-contained page on everything of a scale, from each cell to its records, and a zip of all.

`contents` gathers, `tables` and `runs` shape it for a browser, `page` writes. What it shows is what is registered in
`study`, in the order of `paper.order`.
"""
