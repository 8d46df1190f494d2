"""Is every shard of the store what its name says?"""

from pathlib import Path

from anatomy.progress.terminal import let_output_go
from anatomy.store.upkeep import verify

let_output_go()

found = verify(Path(snakemake.params.results) / "store")
print(f"{found.shards} shards in {found.cells} cells; {len(found.damaged)} damaged and set aside")
for shard in found.damaged:
    print(f"  {shard}")
if found.damaged:
    print("delete the tables made from them (clean_<model>) and run again: only their rows are computed anew")
