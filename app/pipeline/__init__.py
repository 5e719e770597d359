"""One request's way, a file for each stage, in this order:

read (`reading`, `directives`) → admit (`admission`, by one call to Redis: `admission_call`) →
look up or join (`finding`, `single_flight`) → write (`writing`) → keep and publish
(`keeping`) → answer (`answer`). `gateway` stands in front and walks it.
"""
