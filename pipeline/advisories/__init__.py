"""What is known to be broken in Python's AI stack, and databases of it that the scanner can read.

The `.yaml` files beside this module are advisories in the OSV format, in our own words. `databases.obtain` is the
way in: it fetches, finds or builds a database. `osv` turns records into rows, `bolt` into a file that Trivy opens.
"""
