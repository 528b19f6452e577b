from compression import environment
from compression.store import disk
from compression.store.store import Store
from tests.support.fake_run import recipe
from tests.support.made_up_results import files_of, keep


def test_every_byte_is_counted_and_its_place_said(fresh_home):
    store = Store()
    keep(store, recipe())
    (fresh_home / "training").mkdir()
    (fresh_home / "training" / "a.json").write_bytes(b"12345")
    seen = disk.usage(store)
    by_name = {place.name: place for place in seen.places}
    database_file = environment.home() / "results.sqlite"
    assert (by_name["Database"].path, by_name["Database"].n_bytes) == (
        str(database_file),
        database_file.stat().st_size,
    )
    files_of_results = by_name["Files of results"]
    assert files_of_results.path == str(environment.artifact_folder())
    assert files_of_results.files == 4
    assert files_of_results.n_bytes == sum(len(content) for content in files_of(recipe()).values())
    assert (by_name["Training notes"].files, by_name["Training notes"].n_bytes) == (1, 5)
    assert seen.n_bytes == sum(place.n_bytes for place in seen.places)
    assert seen.free_bytes > 0


def test_an_empty_home(fresh_home):
    seen = disk.usage(Store())
    assert {place.n_bytes for place in seen.places if place.name not in ("Data sets", "Database")} == {0}


def test_on_any_database(any_store):
    any_store.revision()
    assert disk.usage(any_store).places[0].n_bytes > 0
