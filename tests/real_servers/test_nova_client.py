"""What takes the place of NOVA and of MongoDB here does as they do."""

from __future__ import annotations

from typing import Any

import mongomock
import pymongo
import pytest

from tests.real_servers import mongo
from tests.real_servers.nova_client import hash_of, sent_option


def test_boxes_send_numbers_as_numbers() -> None:
    shown: list[str | bool] = ["250", " -1", "0.5", "None", "thank you, money", "3,6", "", True]
    assert [sent_option(value) for value in shown] == [250, -1, 0.5, None, "thank you, money", 36.0, "", True]
    assert hash_of("") == 757602046  # as .NET has it


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_the_stand_in_for_mongodb_asks_for_the_password(mechanism: str) -> None:
    with mongo.serve(mongomock.MongoClient()) as port:
        place: dict[str, Any] = {"host": "127.0.0.1", "port": port, "username": mongo.USER, "authMechanism": mechanism}
        with pymongo.MongoClient(**place, password=mongo.PASSWORD) as client:
            client["d"]["c"].insert_one({"name": "it"})
            assert client["d"]["c"].find_one({"name": "it"}, {"_id": 0}) == {"name": "it"}
        with (
            pymongo.MongoClient(**place, password="open barley") as client,  # noqa: S106
            pytest.raises(pymongo.errors.OperationFailure, match="Authentication failed"),
        ):
            client["d"]["c"].find_one()
