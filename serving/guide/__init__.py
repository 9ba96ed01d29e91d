"""A guide that cites (办事问答): questions on items, materials, limits and order, and on a project, answered from what is known.

``passages`` gathers what there is to cite, ``index`` finds it, ``answer`` words it. Every sentence stands with its source; where
nothing was found, that is the answer.
"""
