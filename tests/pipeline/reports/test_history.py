from pipeline.reports.history import Entry, mark_best, table_of


def entry(environment, iqm=None, **values):
    return Entry("a", (), (), "", "", environment, {}, 1, None, iqm, None, None, **values)


def test_each_environment_has_its_best():
    entries = [entry("A", 1.0), entry("A", 2.0), entry("B", -5.0), entry("B"), entry("C")]
    assert [each.best for each in mark_best(entries)] == [False, True, True, False, False]


def test_a_run_links_to_its_page_in_a_terminal():
    entries = [entry("A", run_name="run", run_link="http://tracker/run"), entry("B")]
    assert "\033]8;;http://tracker/run\033\\run\033]8;;\033\\" in table_of(entries, 100, links=True)
    assert "tracker" not in table_of(entries, 100, links=False)
