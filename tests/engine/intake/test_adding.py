"""Networks that people bring: checked on their images, kept, and compressed like any other."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from compression.cli import main
from compression.engine.build import build_variant, load_network, load_teacher, scaled_copy
from compression.engine.files import export
from compression.engine.intake import adding
from compression.engine.intake.sources import Given, Wish, from_code, from_torchvision
from compression.engine.measure import evaluation
from compression.engine.network.form import weighted_layers
from compression.engine.run import run_recipe
from compression.errors import CorruptFile, DataUnavailable, NotApplicable, RefusedFile, UnknownModel, UnsupportedModel
from compression.models.brought import noise, own, published
from compression.models.brought.findings import EntryCheck
from compression.models.brought.image_files import Sized
from compression.models.brought.own import OwnModel, Preprocessing
from compression.models.subject import known_models, model_title, subject_of
from compression.recipe.recipe import make_recipe
from compression.store import deletion
from compression.store.store import Store
from tests.support.brought import (
    Means,
    bring,
    bring_data,
    bring_digits,
    colours_zip,
    digits_npz,
    onnx_file,
    sample_onnx,
)

pytestmark = pytest.mark.usefixtures("fresh_home")


@pytest.fixture
def digits():
    """What the entry check found of a network that reads digits, which nobody has told how."""
    return bring_digits()


class TestTheSameNetwork:
    def test_it_answers_as_the_given_file_does_and_has_the_names_of_its_layers(self, digits):
        assert "ONNX Runtime" in digits.against and digits.largest_difference < 1e-5
        mine, original = load_network(subject_of("mine")), load_network(subject_of("mlp-digits"))
        assert (
            list(weighted_layers(mine))
            == list(weighted_layers(original))
            == [i.name for i in subject_of("mine").layers]
        )
        x = torch.randn(5, 1, 8, 8)
        assert torch.equal(mine(x), original(x))

    def test_batch_norms_and_names_survive_being_kept(self, tmp_path):
        network = load_network(subject_of("resnet8-mnist5k"))
        bring_data(digits_npz(tmp_path))
        given = Given(network, Preprocessing(Sized(1, 28, 28, None)), "a graph")
        adding.add_model("mine", given, "things")
        mine = load_network(subject_of("mine"))
        kinds = [[(name, type(layer)) for name, layer in model.named_modules()] for model in (mine, network)]
        assert kinds[0][1:] == kinds[1][1:] and any(kind is nn.BatchNorm2d for _, kind in kinds[0])
        x = torch.randn(3, 1, 28, 28)
        torch.testing.assert_close(mine(x), network(x), atol=1e-6, rtol=1e-6)

    def test_a_graph_that_answers_otherwise_is_refused_and_nothing_is_kept(self, tmp_path):
        bring_data(colours_zip(tmp_path))

        class Fickle(nn.Module):
            """Another network whenever it is looked at."""

            calls = 0

            def forward(self, x):
                self.calls += 1
                return x.mean((2, 3)) * (1.0 if self.calls < 4 else -1.0)

        given = Given(Fickle().eval(), Preprocessing(Sized(3, 8, 8, None)), "a fickle one")
        with pytest.raises(UnsupportedModel, match="answers otherwise"):
            adding.add_model("mine", given, "things")
        assert own.own_models() == () and not own.model_folder("mine").exists()

    def test_a_softmax_at_the_end_is_left_out_and_said(self, tmp_path):
        bring_data(colours_zip(tmp_path))
        found = bring(tmp_path, onnx_file(tmp_path, nn.Sequential(Means(), nn.Softmax(1))))
        assert "softmax" in " ".join(found.words)
        x = torch.rand(2, 3, 8, 8)
        torch.testing.assert_close(load_network(subject_of("mine"))(x), Means()(x))


class TestPreparation:
    def test_wrong_standardization_is_found_by_measuring(self, digits):
        assert digits.given.accuracy < 0.95 < digits.better.accuracy
        assert "own mean" in digits.better.words and "Use that?" in digits.words[0]

    def test_what_was_found_can_be_used(self, digits):
        found = adding.use_better("mine")
        assert found.given.accuracy == digits.better.accuracy and found.better is None
        subject = subject_of("mine")
        assert subject.card["accuracy"] > 0.95
        assert abs(subject.data.load().train.x.std() - 1) < 0.1

    def test_the_order_of_colours_is_found(self, tmp_path):
        bring_data(colours_zip(tmp_path))
        found = bring(tmp_path, onnx_file(tmp_path, Means()))
        assert found.given.accuracy == pytest.approx(1 / 3, abs=0.15)
        assert found.better.preprocessing["bgr"] and found.better.accuracy == 1

    def test_classes_that_were_numbered_otherwise_are_found(self, tmp_path):
        """Folders come in the order 1, 10, 2; the network counts 1, 2, 10."""
        bring_data(colours_zip(tmp_path, ("1", "10", "2")))

        class Counts(Means):
            def forward(self, x):
                red, green, blue = super().forward(x).split(1, 1)
                return torch.cat([blue, red, green], 1)

        found = bring(tmp_path, onnx_file(tmp_path, Counts()))
        assert found.better.accuracy == 1 and "numbers in their names" in found.better.words
        adding.use_better("mine")
        subject = subject_of("mine")
        output = run_recipe(subject, make_recipe("mine", []))
        assert output.result.accuracy == 1

    def test_an_untrained_network_is_called_one(self, tmp_path):
        bring_data(digits_npz(tmp_path))
        torch.manual_seed(0)
        found = bring(tmp_path, onnx_file(tmp_path, nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), (1, 8, 8)))
        assert found.is_near_chance and "guessing" in found.words[0]

    def test_more_outputs_than_classes_are_matched_by_name(self, tmp_path):
        bring_data(colours_zip(tmp_path))

        class Many(Means):
            def forward(self, x):
                means = super().forward(x)
                return torch.cat([means - 99, means], 1)

        names = ("a", "b", "c", "Red", "green", "Blue")
        given = Given(Many().eval(), Preprocessing(Sized(3, 8, 8, None)), "many", categories=names)
        assert adding.add_model("mine", given, "things").given.accuracy == 1
        assert subject_of("mine").data.classes == ("a", "b", "c", "red", "green", "blue")

    def test_fewer_outputs_than_classes_are_refused(self, tmp_path):
        bring_data(digits_npz(tmp_path))
        with pytest.raises(RefusedFile, match="10 classes"):
            bring(tmp_path, onnx_file(tmp_path, nn.Sequential(nn.Flatten(), nn.Linear(64, 7)), (1, 8, 8)))


class TestWithoutLabels:
    def test_the_networks_own_answers_count(self, tmp_path):
        bring_data(digits_npz(tmp_path, labels=False))
        found = bring(tmp_path, sample_onnx(tmp_path))
        assert found.given is None and "no labels" in found.words[0]
        subject = subject_of("mine")
        assert not subject.data.has_labels and subject.data.classes == tuple("0123456789")
        baseline = run_recipe(subject, make_recipe("mine", []))
        pruned = run_recipe(
            subject, make_recipe("mine", [{"technique": "magnitude_pruning", "sparsity": 0.9}]), baseline=baseline
        )
        assert baseline.result.accuracy == 1
        assert pruned.result.accuracy == 1 - pruned.result.changed_predictions / pruned.result.n_test < 1


class TestWithoutImages:
    def test_agreement_is_counted_on_noise_and_that_is_said(self, tmp_path, capsys):
        path = sample_onnx(tmp_path)
        assert main(["add-model", "mine", "--onnx", str(path), "--data", "none", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["words"][1] == noise.WARNING
        assert run_recipe(subject_of("mine"), make_recipe("mine", [])).result.accuracy == 1
        assert main(["remove", "mine"]) == 0
        assert own.own_models() == own.own_data_sets() == ()

    def test_a_refused_network_leaves_no_noise_behind(self, tmp_path, capsys):
        path = onnx_file(tmp_path, nn.Sequential(nn.Flatten(), nn.Linear(192, 1)))
        assert main(["add-model", "mine", "--onnx", str(path), "--data", "none"]) == 1
        assert "classifier" in capsys.readouterr().err and own.own_data_sets() == ()


class TestPublishedImages:
    def test_they_become_class_folders(self, monkeypatch, tmp_path):
        class Colours:
            """As torchvision's data sets are."""

            classes = ("dark/black", "light")

            def __init__(self, root, split="train", download=False):
                if split not in ("train", "test"):
                    raise ValueError(split)
                self.count = 40 if split == "train" else 10

            def __len__(self):
                return self.count

            def __iter__(self):
                return ((Image.new("RGB", (6, 6), (250 * (n % 2), n, 0)), n % 2) for n in range(self.count))

        monkeypatch.setattr(published, "_kind", lambda name: Colours)
        facts = published.take_in_published("Colours", own.data_folder("things"))
        assert facts.classes == ("dark or black", "light") and (sum(facts.parts), facts.parts[3]) == (50, 10)

    def test_offline_it_says_what_to_do(self, monkeypatch, capsys):
        class Far:
            def __init__(self, root, train=True, download=False):
                raise RuntimeError("no route to host")

        monkeypatch.setattr(published, "_kind", lambda name: Far)
        assert main(["add-data", "things", "Far"]) == 1
        assert "Connect to the internet" in capsys.readouterr().err

    def test_unknown_names_are_told_with_similar_ones(self, capsys):
        assert main(["add-data", "things", "CIFAR101"]) == 1
        assert "CIFAR100" in capsys.readouterr().err


class TestTechniques:
    def test_each_is_tried_and_says_why_it_does_not_work(self, digits):
        rows = {row.technique: row for row in digits.techniques}
        assert rows["quantization"].reached == rows["channel_pruning"].reached == digits.layers == 3
        assert rows["quantization"].stored_ratio > 3
        assert "nothing to tie" in rows["layer_tying"].problem

    def test_what_the_runtime_multiplies_in_integers_is_said(self, digits):
        rows = {row.technique: row for row in digits.techniques}
        assert rows["quantization"].on_integers == 1
        assert rows["channel_pruning"].on_integers is None
        assert "In 8 bits, 100 % of its multiplications run on integer kernels of the runtime." in digits.words
        partly = digits.model_copy(
            update={"techniques": (rows["quantization"].model_copy(update={"on_integers": 0.4}),)}
        )
        assert any(
            words.endswith("the rest stays in float, and becomes smaller but not faster.") for words in partly.words
        )

    def test_students_are_thinner_copies_with_new_weights(self, digits):
        subject = subject_of("mine")
        full, half = load_network(subject), scaled_copy(subject, 0.5)
        widths = [[layer.weight.shape[0] for layer in weighted_layers(model).values()] for model in (full, half)]
        assert widths[1] == [*(width // 2 for width in widths[0][:-1]), 10]
        assert not any(
            part in set(map(float, next(iter(weighted_layers(full).values())).weight.flatten()))
            for part in map(float, next(iter(weighted_layers(half).values())).weight.flatten()[:5])
        )

    @pytest.mark.parametrize(
        "steps",
        [
            [{"technique": "channel_pruning", "pruning_ratio": 0.5}, {"technique": "fine_tuning", "epochs": 0.5}],
            [{"technique": "distillation", "width_mult": 0.5, "epochs": 0.5}],
            [{"technique": "quantization", "weight_bits": 8, "activation_bits": 8}],
        ],
    )
    def test_recipes_work_and_can_be_repeated(self, digits, steps):
        adding.use_better("mine")
        subject = subject_of("mine")
        one, other = (run_recipe(subject, make_recipe("mine", steps)) for _ in range(2))
        assert one.stored == other.stored and one.result.size_ratio > 2

    def test_teachers_see_the_images_in_the_same_form(self, tmp_path, digits):
        bring(tmp_path, sample_onnx(tmp_path), name="other")
        assert subject_of("mine").teachers == ("mine", "other")
        assert load_teacher(subject_of("mine"), "other") is not None
        adding.use_better("mine")
        assert subject_of("mine").teachers == ("mine",)
        with pytest.raises(NotApplicable, match="other data"):
            load_teacher(subject_of("mine"), "other")


class TestKept:
    def test_it_is_one_of_the_models_until_it_is_removed_with_its_results(self, digits):
        assert "mine" in known_models()
        store = Store()
        output = run_recipe(subject_of("mine"), make_recipe("mine", []))
        store.add_result(output.result, output.artifacts())
        assert len(deletion.results_of(store, "mine")) == 1
        with pytest.raises(RefusedFile, match="needed by mine"):
            deletion.remove_own(store, "things")
        deletion.remove_own(store, "mine")
        assert "mine" not in known_models() and not deletion.results_of(store, "mine")
        with pytest.raises(UnknownModel, match="'mine'"):
            subject_of("mine")
        deletion.remove_own(store, "things")
        assert own.own_data_sets() == ()

    def test_it_can_get_another_title(self, digits):
        own.rename("mine", " Reader of digits ")
        assert model_title("mine") == "Reader of digits"
        with pytest.raises(RefusedFile, match="title"):
            own.rename("mine", "a\nb")

    def test_names_must_be_new_and_plain(self, digits):
        for name in ("", "A", "../x", "a/b", "-x", "x" * 64, "mlp-digits", "mine"):
            with pytest.raises(RefusedFile):
                own.free_name(name, of="model")

    def test_damaged_files_are_named_with_a_remedy(self, digits):
        subject = subject_of("mine")
        subject.entry.network_path.write_bytes(b"no")
        load_network.cache_clear()
        with pytest.raises(CorruptFile, match="remove mine"):
            load_network(subject)
        OwnModel("mine").card_path.write_text("{")
        with pytest.raises(CorruptFile, match="remove mine"):
            subject_of("mine")

    def test_images_that_are_not_there_are_named(self, tmp_path):
        with pytest.raises(DataUnavailable, match="add-data"):
            bring(tmp_path, sample_onnx(tmp_path), data="nothing")

    def test_checking_again_finds_the_same(self, digits):
        again = adding.check_model("mine")
        assert (again.given, again.better) == (digits.given, digits.better)
        kept = EntryCheck.model_validate(json.loads(OwnModel("mine").card_path.read_text())["check"])
        assert kept.words == again.words


class TestOtherSources:
    def test_an_architecture_with_a_persons_own_weights(self, tmp_path):
        from sample_models.vision import torchvision

        facts = bring_data(colours_zip(tmp_path))
        torch.manual_seed(0)
        network = torchvision.models.squeezenet1_1(num_classes=3).eval()
        torch.save({"state_dict": network.state_dict(), "epoch": 3}, tmp_path / "mine.pth")
        given = from_torchvision("squeezenet1_1", Wish(str(tmp_path / "mine.pth"), side=32), facts)
        assert given.shape == (3, 32, 32)
        x = torch.randn(2, 3, 32, 32)
        assert torch.equal(given.module(x), network(x))

    def test_an_unknown_architecture_names_similar_ones(self, tmp_path):
        facts = bring_data(colours_zip(tmp_path))
        with pytest.raises(UnknownModel, match="resnet18"):
            from_torchvision("resnet-18", Wish(), facts)

    def test_code_that_a_person_trusts(self, tmp_path, monkeypatch):
        facts = bring_data(colours_zip(tmp_path))
        (tmp_path / "mynet_of_test.py").write_text(
            "from tests.support.brought import Means\nbuild = Means\nwrong = dict\n"
        )
        monkeypatch.chdir(tmp_path)
        given = from_code("mynet_of_test:build", Wish(), facts)
        assert given.shape == (3, 8, 8)
        for place, words in (("mynet_of_test:wrong", "returns a dict"), ("nowhere_at_all:f", "cannot be carried out")):
            with pytest.raises(RefusedFile, match=words):
                from_code(place, Wish(), facts)


def test_a_decoded_file_of_an_own_network_is_what_was_measured(digits):
    variant = build_variant(
        subject_of("mine"),
        make_recipe("mine", [{"technique": "low_rank", "rank_ratio": 0.5}]),
        subject_of("mine").data.load(),
    )
    answers = evaluation.logits_of(
        export.to_onnx(variant.model).SerializeToString(), subject_of("mine").data.load().test
    )
    assert np.isfinite(answers).all()
