"""Reports: what the commands compare, log, show and summary print and write.

`formats` writes numbers, `metrics` names the metrics, and `templates/` holds the pages. `comparison` computes what
differs between two results; `comparison_text` writes it as text, `comparison_page` as a page, and `comparison_folder`
as a folder of files. `result_page` is the page of one result, `history` the table of all results.
"""
