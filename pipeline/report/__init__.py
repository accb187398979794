"""Record documents in, pages out: for a terminal, for a CI step summary, for a browser. Speaks to: nothing.

`reading` checks a document and makes it a model.Record; `certificate` and `stages` say what every form shows;
`terminal`, `markdown` and `html` lay it out; `files` is the one module here that writes.
"""
