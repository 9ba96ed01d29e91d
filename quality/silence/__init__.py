"""Whether a source speaks: its rhythm, what other systems know that it lacks, and since when it has been silent.

====================  ===============================================================================================
:mod:`.rhythm`        the arrival model of a series: how long it is usually quiet, by the official calendar
:mod:`.watch`         every feed, source and part held against its rhythm: what is silent, since when
:mod:`.witness`       numbers that other systems quote and that a source lacks
:mod:`.episode`       silences on record: found, told, approved by a person, ended
:mod:`.surprise`      a batch that is unlike the ones before it
====================  ===============================================================================================
"""
