"""Prose whose tokens are counted, and what counts them."""

import pytest

from jobs.tokens import Tokenizers

ENGLISH = (
    "The ferry left at seven, as it had every morning since the war, and nobody on the quay looked up. Marta counted "
    "the crates twice, signed the sheet, and put the pencil back behind her ear. Rain was coming: you could smell it "
    "over the diesel and the fish. By the time the bell rang for the second crossing, the harbour had filled with "
    "people who all wanted to be somewhere else, and the price of a ticket had quietly gone up by half."
)
CHINESE = (
    "清晨的渡口起了薄雾,船工老陈照例先烧一壶水。他在这条江上撑了三十年的船,见过涨水时漂来的整棵大树,也见过枯水期露出的石碑。"
    "今天要过江的人不多:一个背着药箱的医生,两个去镇上读书的孩子,还有一位沉默的老太太。船到江心,雾忽然散开,阳光落在水面上,"
    "像有人撒了一把碎银子。老陈说,这样的天气,一年里也就那么几回。"
)


@pytest.fixture(scope="module")
def built_in() -> Tokenizers:
    return Tokenizers(None)
