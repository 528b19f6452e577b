from urllib.parse import parse_qsl

import numpy as np
import pytest

from compression.errors import StorageFailed
from compression.explain.quiz import ACCURACY, speed_reason
from compression.inquiries.course import SPARSITIES, TEMPERATURES, PruningInquiry
from compression.models.subject import subject_of
from compression.recipe.recipe import make_recipe
from compression.search.curves import control_of
from compression.store.jobs import JobState
from pages.components.frame import chart_view
from pages.components.learn.chapters import CHAPTERS, efficient, measuring
from pages.components.view.link import DEFAULT_MODEL, view_from
from sample_models.catalogue import MODELS
from tests.support.made_up_answers import answer_to
from tests.support.made_up_results import fabricate
from tests.support.page_tools import asked, checked, opened, pressed, progress, rerun, url, words

MODEL = DEFAULT_MODEL
QUANTIZED = make_recipe(
    MODEL, [{"technique": "quantization", "weight_bits": 3, "granularity": "channel", "method": "nearest"}]
)


@pytest.fixture
def learn(dispatcher):
    """Opens the Learn page as a link with these query parameters does."""
    return lambda **parameters: checked(opened("learn", **parameters).run())


@pytest.fixture
def drawn(monkeypatch):
    """The figures that pages draw, by key."""
    figures, show = {}, chart_view.show

    def keep(figure, *, key, **settings):
        figures[key] = figure
        show(figure, key=key, **settings)

    monkeypatch.setattr("pages.components.frame.chart_view.show", keep)
    return figures


def predict(page, choice, reveal=True):
    page.radio[0].set_value(choice)
    rerun(page)
    if reveal:
        pressed(page, "predict_reveal")
    return page


@pytest.mark.parametrize("name", CHAPTERS)
class TestEveryChapter:
    def test_opens_by_its_link_with_text_papers_and_question(self, learn, dispatcher, name):
        page = learn(chapter=name)
        shown, chapter = words(page), CHAPTERS[name]
        assert len(chapter.paragraphs) == 2 and chapter.papers and chapter.icon.startswith(":material/")
        assert all(said in shown for said in (*chapter.paragraphs, *chapter.papers))
        assert chapter.title in page.title[0].value
        assert len(page.radio) == 1
        assert not page.error
        assert url(page)["chapter"] == name
        again = learn(**url(page))
        assert url(again) == url(page)
        assert not again.error
        predict(page, page.radio[0].options[0])
        assert shown_link(page) in asked(dispatcher, "learn-")
        assert "1 of 9" in words(rerun(page)).replace("*", "")

    def test_shows_what_is_being_found_out_and_why_it_failed_while_one_predicts(self, learn, dispatcher, name):
        dispatcher.held = True
        page = learn(chapter=name)
        assert any("waiting for a worker" in words for words in progress(page))
        assert len(page.radio) == 1
        for job in dispatcher.store.jobs():
            if job.inquiry is not None:
                dispatcher.end(job, JobState.FAILED, "It went wrong: choose something milder.")
        rerun(page)
        assert "It went wrong: choose something milder." in words(page)
        assert len(page.radio) == 1
        dispatcher.release()
        next(button for button in page.button if button.label == "Try again").click()
        rerun(page)
        assert not page.error
        assert not [words for words in progress(page) if "waiting" in words]

    def test_every_position_of_every_slider_can_be_drawn(self, learn, name):
        page = learn(chapter=name)
        for slider in [one.key for one in page.select_slider]:
            for option in page.select_slider(key=slider).options:
                one = page.select_slider(key=slider)
                one.set_value(_position(one, option))
                assert not checked(page.run()).error


def _position(slider, label):
    """The value behind a slider's label."""
    pool = (*range(129), *SPARSITIES, *TEMPERATURES, 256)
    return next(value for value in pool if slider.format_func(value) == label)


def shown_link(page):
    """The recipe that the link to Explore opens."""
    (link,) = [one.proto for one in page.get("page_link") if one.proto.label == "Open this setting in Explore"]
    return view_from(dict(parse_qsl(link.query_string))).recipe


def control(page, kind, name):
    return getattr(page, kind)(key=f"course_{name}")


def move(page, kind, name, value):
    control(page, kind, name).set_value(value)
    return rerun(page)


class TestPredictThenReveal:
    CHOICES = tuple(ACCURACY.values())

    def test_nothing_is_measured_before_one_has_chosen(self, learn, dispatcher):
        page = learn(chapter="quantization")
        assert page.radio[0].value is None
        assert page.button(key="predict_reveal").disabled
        predict(page, self.CHOICES[1], reveal=False)
        assert not page.button(key="predict_reveal").disabled
        assert not asked(dispatcher, "learn-")

    def test_a_right_guess(self, learn, dispatcher):
        dispatcher.measure(QUANTIZED)  # loses 3 points, measurably
        page = predict(learn(chapter="quantization"), "It loses up to 5 points")
        assert "Well predicted" in page.success[0].value
        assert (
            "Measured: 96.0 % (94.8–96.8) of 1,000 test images are right, against 99.0 % (97.8–99.8)"
            in page.success[0].value
        )
        assert page.radio[0].disabled

    def test_a_wrong_guess_is_told_what_was_measured(self, learn):
        page = predict(learn(chapter="quantization"), "It gets better")
        assert not page.success
        (words,) = [box.value for box in page.info]
        assert "A surprise" in words
        assert "You said: “It gets better”" in words
        assert "So it is: “It loses up to 5 points”" in words

    def test_the_explanation_follows_the_measurement(self, learn, dispatcher):
        seen = {}
        for accuracy, p_value in ((0.357, 0.001), (0.989, 0.6)):
            dispatcher.forget(QUANTIZED)
            dispatcher.measure(QUANTIZED, accuracy=accuracy, accuracy_difference=accuracy - 0.99, p_value=p_value)
            seen[accuracy] = words(predict(learn(chapter="quantization"), "No measurable difference"))
        assert "each layer's errors add" in seen[0.357]
        assert "most of that cancels" in seen[0.989]
        assert "35.7 %" in seen[0.357]

    def test_while_it_is_measured_there_is_a_bar_and_it_can_be_cancelled(self, learn, dispatcher):
        page = learn(chapter="quantization")
        dispatcher.held = True
        predict(page, self.CHOICES[0])
        assert any("Measuring “3-bit weights" in words for words in progress(page))
        pressed(page, "cancel_predict")
        assert "was cancelled" in words(page)
        pressed(page, "retry_predict")
        dispatcher.release()
        rerun(page)
        assert "Measured: 96.0 %" in words(page)

    def test_a_failure_is_explained(self, learn, dispatcher):
        page = learn(chapter="quantization")
        dispatcher.failing = "quantization"
        predict(page, self.CHOICES[0])
        assert "quantization went wrong: choose something milder." in words(page)
        assert "**0 of 9**" in words(page)

    def test_guess_and_answer_survive_other_chapters_and_pages(self, learn):
        page = predict(learn(chapter="quantization"), "It gets better")
        pressed(page, "chapter_pruning")
        assert page.radio[0].value is None
        page.switch_page("app.py")
        checked(page.run())
        page.switch_page("pages/learn.py")
        page.query_params.clear()
        rerun(page)
        assert "Pruning" in page.title[0].value
        pressed(page, "chapter_quantization")
        assert page.radio[0].value == "It gets better"
        assert "Measured: 96.0 %" in words(page)
        assert "**1 of 9**" in words(page)

    def test_another_setting_is_another_question(self, learn):
        page = predict(learn(chapter="quantization"), "It gets better")
        move(page, "select_slider", "quantization_bits", 2)
        assert page.radio[0].value is None
        assert "What will happen at 2 bits?" in words(page)
        move(page, "select_slider", "quantization_bits", 3)
        assert page.radio[0].value == "It gets better"

    def test_a_store_that_breaks_meanwhile_is_told(self, learn, dispatcher, monkeypatch):
        page = predict(learn(chapter="quantization"), self.CHOICES[0], reveal=False)

        def broken(*arguments):
            raise StorageFailed("The disk is full: free some space.")

        monkeypatch.setattr(dispatcher.store, "result", broken)
        pressed(page, "predict_reveal")
        assert "The disk is full" in words(page)

    def test_students_are_measured_with_their_controls_with_three_seeds(self, learn, dispatcher):
        page = predict(learn(chapter="distillation"), "Worse than without the teacher, each time")
        measured = asked(dispatcher, "learn-")
        assert [one.seed for one in measured] == [0, 0, 1, 1, 2, 2]
        for student, control in zip(measured[::2], measured[1::2], strict=True):
            assert control == control_of(student)
        assert "On these 3 seeds" in words(rerun(page))

    def test_the_cut_is_what_is_asked_about_and_the_refitted_network_is_told_beside_it(self, learn, dispatcher):
        page = predict(learn(chapter="pruning"), self.CHOICES[0])
        cut, refitted = asked(dispatcher, "learn-")
        assert [(one.steps[0].scope, one.steps[0].recalibrate) for one in (cut, refitted)] == [
            ("layer", False),
            ("layer", True),
        ]
        assert "**refitted**" in words(page)


class TestNextVisit:
    """A browser finds again what it guessed; another one does not."""

    def test_guesses_and_progress_are_there_after_a_reload(self, learn, cookies):
        cookies["visitor"] = "0123456789abcdef"
        predict(learn(chapter="quantization"), "It gets better")
        page = learn(chapter="quantization")
        assert page.radio[0].value == "It gets better"
        assert "Measured: 96.0 %" in words(page)
        assert "**1 of 9**" in words(page)
        cookies["visitor"] = "fedcba9876543210"
        assert "**0 of 9**" in words(learn(chapter="quantization"))

    @pytest.mark.parametrize("name", ["", "me", "0123456789abcde;", "x" * 4000])
    def test_a_browser_whose_name_is_none_gets_one(self, learn, cookies, name):
        cookies["visitor"] = name
        page = predict(learn(chapter="quantization"), "It gets better")
        assert "**1 of 9**" in words(page)


class TestClass:
    def join(self, learn, cookies, number, **more):
        cookies["visitor"] = f"{number:016x}"
        return learn(chapter="quantization", **{"class": "class-7b"} | more)

    def guess(self, page, choice):
        page.radio[0].set_value(choice)
        rerun(page)
        return pressed(page, "predict_send")

    def test_guesses_of_all_are_seen_by_those_who_have_guessed(self, learn, cookies, drawn):
        self.guess(self.join(learn, cookies, 1), "It gets better")
        page = self.join(learn, cookies, 2)
        assert not [key for key in drawn if key.startswith("chart_guesses")] or drawn.clear() is None
        page = self.join(learn, cookies, 3)
        assert not [key for key in drawn if key.startswith("chart_guesses")]
        self.guess(page, "It gets better")
        (bars,) = next(figure for key, figure in drawn.items() if key.startswith("chart_guesses"))["data"]
        assert bars["x"] == [2, 0, 0, 0, 0]
        assert page.radio[0].disabled

    def test_nothing_measured_outside_is_known_in_a_class(self, learn, dispatcher, cookies):
        dispatcher.measure(QUANTIZED)
        page = self.guess(self.join(learn, cookies, 1), "It gets better")
        assert "Measured:" not in words(page)
        pressed(page, "predict_reveal")
        assert QUANTIZED in asked(dispatcher, "learn-")
        assert {job.workspace for job in dispatcher.store.jobs() if job.group.startswith("learn-")} == {"class-7b"}

    def test_the_class_stays_in_the_address_and_in_links(self, learn, cookies):
        page = self.join(learn, cookies, 1)
        assert url(page)["class"] == "class-7b"
        queries = [dict(parse_qsl(link.proto.query_string)) for link in page.get("page_link")]
        assert all(query["class"] == "class-7b" for query in queries)

    def test_a_teacher_sees_how_many_then_what_then_the_answer(self, learn, dispatcher, cookies, drawn):
        self.guess(self.join(learn, cookies, 1), "It gets better")
        drawn.clear()
        page = self.join(learn, cookies, 9, **{"as": "teacher"})
        assert not page.radio
        assert "**1** guess is in" in words(page)
        assert not [key for key in drawn if key.startswith("chart_guesses")]
        page.toggle[0].set_value(True)
        rerun(page)
        assert [key for key in drawn if key.startswith("chart_guesses")]
        assert "Measured" not in words(page)
        pressed(page, "predict_reveal")
        dispatcher.release()
        rerun(page)
        assert "**0 of 9**" in words(page)

    def test_its_addresses_open_what_the_teacher_sees(self, learn, cookies):
        page = self.join(learn, cookies, 9, bits="5", **{"as": "teacher"})
        told = [dict(parse_qsl(code.value.partition("?")[2])) for code in page.code]
        assert [one.get("as", "") for one in told] == ["", "teacher", "screen"]
        assert all((one["class"], one["chapter"], one["bits"]) == ("class-7b", "quantization", "5") for one in told)

    def test_a_teachers_reload_hides_the_answer_again(self, learn, cookies):
        page = self.join(learn, cookies, 9, **{"as": "teacher"})
        pressed(page, "predict_reveal")
        again = self.join(learn, cookies, 9, **{"as": "teacher"})
        assert again.button(key="predict_reveal")

    def test_a_new_class_has_seen_nothing(self, learn, cookies):
        page = self.guess(self.join(learn, cookies, 1), "It gets better")
        page = self.join(learn, cookies, 1, **{"as": "teacher"})
        pressed(page, "class_new")
        assert url(page)["class"] != "class-7b"
        assert "**0** guesses are in" in words(page)

    @pytest.mark.parametrize("name", ["", "a b", "../x", "<script>", "ü", "a" * 33, "-a", "a%00"])
    def test_a_name_that_is_none_is_told(self, learn, name):
        page = learn(chapter="quantization", **{"class": name})
        assert "A class is called by" in words(page)
        assert "class" not in url(page)

    def test_a_projector_has_picture_and_question_side_by_side_and_the_text_folded(self, learn, cookies):
        page = self.join(learn, cookies, 9, **{"as": "screen"})
        assert [box.label for box in page.expander] == ["The text"]
        assert "Projector" in words(page)


class TestLinks:
    def test_without_one_the_first_chapter_is_shown(self, learn):
        page = learn()
        assert "Why compress" in page.title[0].value
        assert url(page) == {"chapter": "why", "model": MODEL, "bits": "4", "zeros": "70"}

    def test_a_whole_setting(self, learn):
        link = {"chapter": "quantization", "model": "mlp-digits", "layer": "layers.3", "bits": "5", "scale": "tensor"}
        page = learn(**link, range="mse")
        assert url(page) == link | {"range": "mse"}
        assert control(page, "select_slider", "quantization_bits").value == 5
        assert control(page, "selectbox", "quantization_mlp-digits_layer").value == "layers.3"
        (step,) = shown_link(page).steps
        assert (step.weight_bits, step.granularity, step.method) == (5, "tensor", "mse")

    @pytest.mark.parametrize(
        ("wrong", "problem"),
        [
            ({"chapter": "cooking"}, "There is no chapter 'cooking'"),
            ({"chapter": "quantization", "model": "gpt"}, "There is no model 'gpt'"),
            ({"chapter": "quantization", "model": MODEL, "layer": "conv9"}, "no layer 'conv9'"),
            ({"chapter": "quantization", "layer": "conv9"}, "no layer 'conv9'"),
            ({"chapter": "quantization", "bits": "99"}, "Its bits must be one of 1, 2, 3"),
            ({"chapter": "pruning", "pattern": "3:4"}, "Its pattern must be one of weights"),
        ],
    )
    def test_a_wrong_one_is_told_until_something_changes(self, learn, wrong, problem):
        page = learn(**wrong)
        assert problem in words(page)
        pressed(page, "chapter_sharing")
        assert not page.error

    def test_a_moved_control_is_in_the_link(self, learn):
        page = learn(chapter="pruning")
        move(page, "segmented_control", "pruning_pattern", "blocks")
        move(page, "select_slider", "pruning_sparsity", 0.9)
        assert (url(page)["pattern"], url(page)["sparsity"]) == ("blocks", "0.9")


class TestChapters:
    def test_one_can_go_through_the_course(self, learn):
        page = learn()
        titles = [page.title[0].value]
        while any(button.key == "turn_after" for button in page.button):
            pressed(page, "turn_after")
            titles.append(page.title[0].value)
        assert len(titles) == len(set(titles)) == len(CHAPTERS) == 9
        pressed(page, "turn_before")
        assert page.title[0].value == titles[-2]

    def test_the_model_stays_from_chapter_to_chapter_where_it_can(self, learn):
        page = learn(chapter="pruning")
        move(page, "selectbox", "pruning_model", "mlp-digits")
        pressed(page, "chapter_efficient")
        assert control(page, "selectbox", "efficient_model").value == MODEL  # that one has no convolutions
        pressed(page, "chapter_sharing")
        assert control(page, "selectbox", "sharing_model").value == "mlp-digits"

    @pytest.mark.parametrize("model", MODELS)
    def test_every_model_has_layers_for_every_chapter(self, learn, model):
        about_it = [chapter for chapter in CHAPTERS.values() if model in chapter.models]
        assert all(chapter.layers(subject_of(model)) for chapter in about_it)
        page = learn(chapter=about_it[-1].name, model=model)
        assert not page.error
        assert url(page)["model"] == model

    def test_without_anything_to_compress_there_is_no_question(self, learn):
        page = learn(chapter="why", bits="32", zeros="0")
        assert not page.radio
        assert "nothing is compressed" in words(page)

    def test_fixed_patterns_need_no_slider(self, learn):
        page = learn(chapter="pruning", pattern="2:4")
        assert not [one for one in page.select_slider if one.key == "course_pruning_sparsity"]
        assert shown_link(page).steps[0].pattern == "2:4"

    def test_outputs_that_are_classes_cannot_go(self, learn, dispatcher):
        without = answer_to(PruningInquiry(recipe=QUANTIZED.baseline(), layer="classifier"))
        for table in (without.gone_at, without.zeros, without.errors):
            del table["channels"]
        dispatcher.answers = lambda inquiry: without
        assert "none of them can go" in words(learn(chapter="pruning", pattern="channels"))

    def test_missing_weights_are_told(self, learn, monkeypatch, tmp_path):
        monkeypatch.setattr("sample_models.catalogue.WEIGHTS", tmp_path)
        page = learn(chapter="pruning", model=MODEL, layer="conv1")
        assert "cannot be read" in words(page)

    def test_the_picture_is_of_what_the_inquiry_found(self, learn, drawn):
        learn(chapter="pruning", sparsity="0.5")
        answer = answer_to(PruningInquiry(recipe=QUANTIZED.baseline(), layer="conv2"))
        table = np.array(drawn["chart_pruning_mask"]["data"][0]["z"], dtype=float)
        np.testing.assert_array_equal(np.isnan(table), answer.gone_at["weights"] <= SPARSITIES.index(0.5))

    def test_zeros_are_a_share_of_all_points(self, learn, drawn):
        learn(chapter="coding")
        (bars,) = drawn["chart_coding_counts"]["data"]
        assert sum(bars["y"]) == pytest.approx(100)
        assert bars["text"] == ["3", "1", "3", "2"]

    def test_zeros_beside_a_grid_without_them_are_said(self, learn):
        def said(bits):
            return " ".join(caption.value for caption in learn(chapter="coding", bits=bits).caption)

        assert "Zeros come on top of this grid" not in said("2")
        assert "4 different codes take more plain bits" in said("1")

    def test_real_settings_are_measured_for_operations_against_time(self, learn, dispatcher, drawn):
        page = learn(chapter="measuring")
        measured = {*asked(dispatcher, "learn-"), *(inquiry.recipe for inquiry in dispatcher.inquired)}
        assert set(measuring.recipes_of(subject_of(MODEL))) <= measured
        rerun(page)
        points = sum(len(trace["x"]) for trace in drawn["chart_work_time"]["data"] if trace["mode"] == "markers")
        assert points == len(measuring.recipes_of(subject_of(MODEL)))


class TestReasons:
    """What is said of a measured time is true of it, whatever it is."""

    @pytest.mark.parametrize(
        ("ratio", "problem"),
        [(1.3, "still got slower"), (1.0, "did not follow"), (0.7, "the time by less"), (0.5, "as much or more")],
    )
    def test_of_split_convolutions(self, ratio, problem):
        assert problem in self.said(efficient, ratio)

    @pytest.mark.parametrize(
        ("ratio", "problem"),
        [
            (1.3, "bought no time"),
            (1.0, "bought no time"),
            (0.7, "more of the time"),
            (0.5, "as much"),
            (0.3, "even less"),
        ],
    )
    def test_of_half_the_multiplications(self, ratio, problem):
        assert problem in self.said(measuring, ratio)

    @staticmethod
    def said(chapter, ratio):
        ends = {"latency_ratio": ratio, "latency_ratio_low": ratio - 0.05, "latency_ratio_high": ratio + 0.05}
        timed = fabricate(QUANTIZED, macs=2_293_000 // 2, **ends)
        return speed_reason(timed, chapter.COUNTED, chapter.REASONS)
