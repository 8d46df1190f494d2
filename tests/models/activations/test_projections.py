import torch

from anatomy.models.activations.means import mean_activations
from anatomy.models.activations.projections import project, project_cells


def test_mean_projection_is_projection_of_the_mean(tiny, token_ids):
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(2, 3, 64, generator=generator)
    cells = project_cells(tiny, token_ids, directions, [-2, -1], [0, 1, 3], token_budget=90)
    moments = mean_activations(tiny, token_ids, [-2, -1], token_budget=50, layers=[0, 1, 3])
    expected = (moments.mean * directions.double()).sum(-1)
    torch.testing.assert_close(cells.mean(0), expected, rtol=0, atol=1e-4)


def test_table_has_a_row_for_each_prompt_and_layer(tiny, token_ids):
    names = [f"item-{i}" for i in range(len(token_ids))]
    direction = torch.nn.functional.normalize(torch.ones(64), dim=0)
    table = project(tiny, names, token_ids, direction, position=-1, layers=[1, 4], token_budget=100)
    assert list(table.columns) == ["id", "layer", "projection"]
    assert len(table) == 2 * len(names)
    single = project(tiny, names[3:4], token_ids[3:4], direction, position=-1, layers=[1, 4], token_budget=100)
    picked = table[table.id == "item-3"].projection.to_numpy()
    torch.testing.assert_close(torch.tensor(picked), torch.tensor(single.projection.to_numpy()), rtol=0, atol=1e-5)
