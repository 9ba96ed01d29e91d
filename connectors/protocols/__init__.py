"""One connector a protocol, to the contract of :mod:`connectors.base`; :data:`connectors.PROTOCOLS` names each.

    signed_rest, signed_files    省一网共享平台: a signed gateway, its rows and its files; ``gateway`` is what both share
    rest                         any REST listing, as a source declares it
    soap                         SOAP services, from their WSDL
    database                     tables and views of a SQL server
    file_drop                    folders of files: SFTP, FTP, HTTP, object stores
    mqtt                         topics of a broker
    wfs, ogc_features, stac      OGC Web Feature Service, OGC API - Features, SpatioTemporal Asset Catalogs
    singer                       any tap of the Singer protocol

``over_http`` is what connectors over HTTP share: the check, temporary files, closing.
"""
