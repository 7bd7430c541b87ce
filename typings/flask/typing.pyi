from flask import Response

ResponseReturnValue = Response
