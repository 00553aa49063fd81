"""Who breaks when events change, and in which order their services can be deployed?

`exposure` finds out who cannot read whose messages, `plan` makes one order for all services of it,
`migration` writes out the steps where no order is safe, and `wording` puts all that into words.
"""
