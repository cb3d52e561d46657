import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kit import ADAPTERS, DIALECTS  # noqa: E402


@pytest.fixture(params=ADAPTERS)
def adapter(request):
    return request.param


@pytest.fixture(params=DIALECTS)
def dialect(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def stream(request):
    return request.param
