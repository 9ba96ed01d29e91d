"""SOAP: ``service`` (the WSDL), ``message`` (the envelope), ``multipart`` (attachments, MTOM), and the kinds of answer: ``rows``,
``document`` (a string that holds a document), ``encoded`` (an array of structs, section 5)."""
