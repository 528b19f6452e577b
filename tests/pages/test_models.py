"""The Models page, with small networks that were brought before."""

import json

import pytest

from compression.models.brought import own
from compression.models.brought.own import OwnModel
from compression.work.errand import Errand
from pages.components.models import bring
from tests.support import page_tools
from tests.support.brought import bring as bring_network
from tests.support.brought import bring_data, bring_digits, digits_npz, sample_onnx
from tests.support.page_tools import checked, words

pytestmark = pytest.mark.usefixtures("dispatcher")


@pytest.fixture
def mine():
    """What the entry check found of a network that reads digits, which nobody has told how."""
    return bring_digits()


def test_without_anything_of_your_own_it_offers_to_bring_some():
    page = page_tools.opened("models")
    said = words(page)
    assert "Bring your own" in said and "Your networks" not in said and "MLP on digits" in said
    assert "Still needed: images and a network" in said
    assert page.button(key="models_add_0").disabled


def test_what_the_entry_check_found_is_told_with_a_way_to_mend_it(mine, monkeypatch):
    begun = []
    monkeypatch.setattr(bring, "Errand", lambda commands, scratch: begun.append(commands) or Done(commands, scratch))
    page = page_tools.opened("models")
    assert mine.words[0] in words(page) and "nothing to tie" in words(page)
    page.button(key="models_fix_list_mine").click()
    checked(page.run())
    assert begun == [[["check", "mine", "--fix"]]]


def test_a_network_by_name_with_what_a_person_knows_of_its_images(mine, monkeypatch):
    begun = []
    monkeypatch.setattr(bring, "Errand", lambda commands, scratch: begun.append(commands) or Done(commands, scratch))
    page = page_tools.opened("models")
    page.segmented_control(key="models_source_0").set_value(bring.TORCHVISION)
    checked(page.run())
    page.text_input(key="models_architecture_0").set_value("resnet18")
    page.segmented_control(key="models_weights_0").set_value(bring.NONE)
    page.text_input(key="models_mean_0").set_value("0.5, half")
    checked(page.run())
    assert "'0.5, half': give numbers" in words(page) and page.button(key="models_add_0").disabled
    page.text_input(key="models_mean_0").set_value("0.5, .4 -0.25")
    page.number_input(key="models_size_0").set_value(64)
    page.toggle(key="models_bgr_0").set_value(True)
    page.selectbox(key="models_data_0").set_value(bring.PUBLIC)
    checked(page.run())
    page.text_input(key="models_public_0").set_value("../SVHN")
    checked(page.run())
    assert "only letters and digits" in words(page) and page.button(key="models_add_0").disabled
    page.text_input(key="models_public_0").set_value("SVHN")
    checked(page.run())
    checked(page.button(key="models_add_0").click().run())
    told = ["--mean", "0.5", ".4", "-0.25", "--size", "64", "--bgr"]
    network = ["add-model", "resnet18", "--data=svhn", "--torchvision=resnet18", "--weights=none", *told]
    assert begun == [[["add-data", "svhn", "SVHN"], network]]


class Done(Errand):
    """An errand that needs no process."""

    def _carry_out(self):
        self.fraction = 1.0


def test_it_can_be_renamed(mine):
    page = page_tools.opened("models")
    page.button(key="models_rename_mine").click()
    checked(page.run())
    page.text_input(key="models_title").set_value("Reader")
    checked(page.button(key="models_rename_yes").click().run())
    assert OwnModel("mine").title == "Reader"


def test_deleting_says_what_goes_and_keeps_images_that_are_needed(mine):
    page = page_tools.opened("models")
    checked(page.button(key="models_delete_data_things").click().run())
    checked(page.button(key="models_delete_yes").click().run())
    assert "needed by mine" in words(page) and own.own_data_sets() == ("things",)
    page = page_tools.opened("models")
    checked(page.button(key="models_delete_mine").click().run())
    assert "its files and 0 results" in words(page)
    checked(page.button(key="models_delete_yes").click().run())
    assert own.own_models() == ()


def test_a_damaged_card_is_told_and_the_rest_of_the_dashboard_works(mine):
    OwnModel("mine").card_path.write_text("{")
    assert "remove mine" in words(page_tools.opened("models"))
    assert "MLP on digits" in words(page_tools.opened())
    page = page_tools.opened("explore", model="mine")
    assert "remove mine" in words(page)


def test_without_labels_every_page_speaks_of_agreement(tmp_path):
    bring_data(digits_npz(tmp_path, labels=False))
    bring_network(tmp_path, sample_onnx(tmp_path))
    for name in ("explore", "inspect", "present"):
        said = words(page_tools.opened(name, model="mine"))
        assert "accura" not in said.lower(), name
    assert "agreement" in words(page_tools.opened("explore", model="mine"))
    assert "accuracy" in words(page_tools.opened("explore", model="mlp-digits"))


class TestErrands:
    def test_commands_are_carried_out_one_after_the_other(self, tmp_path):
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        errand = Errand([["add-data", "mine", str(digits_npz(tmp_path))], ["data-sets"]], scratch)
        errand.wait()
        assert (errand.problem, errand.is_done, scratch.exists()) == ("", True, False)
        assert "mine" in [one["name"] for one in errand.found]

    def test_the_first_that_fails_ends_it_with_its_reason(self, tmp_path):
        (tmp_path / "no.zip").write_bytes(b"no")
        errand = Errand([["add-data", "mine", str(tmp_path / "no.zip")], ["remove", "mine"]])
        errand.wait()
        assert "zip" in errand.problem and "'mine'" not in errand.problem and errand.found is None

    def test_cancelled_it_keeps_nothing(self, tmp_path):
        errand = Errand([["add-data", "mine", str(digits_npz(tmp_path))]])
        errand.cancel()
        errand.wait()
        assert "Given up" in errand.problem and json.dumps(own.own_data_sets()) == "[]"
