"""Bytes to columns of text, in flat memory, within the limits of :mod:`connectors.limits`; one row's damage is one row's Reject.

contents                     by kind of file: which decoder
csv_table, workbook, spreadsheets, arrow_text    delimited text, xlsx, sheets of a workbook, Arrow and Parquet
jsonrows, json_mending       JSON and JSON lines; JSON that is damaged
xml, cases_xml               XML by stream; 住建's case files
answers                      one answer of a listing, JSON or XML, by declared paths
geojson, gml, redline_txt, geometry    places: GeoJSON, GML, 红线 coordinates as text, and what a geometry must be
alike                        records of an XML page that are written alike, in columns
archives, charsets, rows     zip archives; what charset a text is in; records to a batch
"""
