"""Every saga, by name: what a runner can run, and what the law is tested on."""

from __future__ import annotations

from typing import Any

from tegar.kernel.saga import Saga
from tegar.saga.env import Env
from tegar.saga.image_store_add import ADD_STORE

SAGAS: dict[str, Saga[Env, Any]] = {saga.name: saga for saga in (ADD_STORE,)}
