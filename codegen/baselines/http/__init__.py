"""The way to a registry over HTTP.

Nothing is trusted: answers are bounded in size and time, no redirect is followed (so credentials go
to the named host only), TLS is verified, and every failure is one CouldNotCheck that names the
address without its credentials and says what to do. This package is the only one that imports
urllib3.

    address         what an address must look like, and how it is shown
    connection      TLS, proxy, pool; one request, repeated where that may help
    bounds          answers that end, in time and size
    failures        what an exception on the way means, in words
    authorization   basic, bearer, OAuth 2.0 client credentials
    transport       a registry behind all that
"""

from codegen.baselines.http.address import choose_address
from codegen.baselines.http.transport import HttpTransport

__all__ = ["HttpTransport", "choose_address"]
