"""Listings of many pages, read whole, with proof.

pages       any declared paging: number, offset, cursor, link
settling    a listing by page number that moves while it is read
listing     a listing that is read twice: is it the same
progress    does a listing still bring something
"""
