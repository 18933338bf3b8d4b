// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {IUsageMeter} from "../../../src/interfaces/IUsageMeter.sol";
import {Terms, UsageReceipt} from "../../../src/types/Usage.sol";
import {ContributorTest} from "../../mocks/ContributorTest.sol";

/// @title How a model's fees become parts of its roles, across changes of split, table and day.
contract PagesTest is ContributorTest {
    uint256 internal constant FIRST = uint256(1_700_000_000) / 1 days;

    function test_page_splitsSumsOfFeesNotSingleFees() public {
        vm.prank(host);
        models.updateTerms(modelId, flat(1, 300_000, 200_000));
        for (uint256 i; i < 10; ++i) {
            answer(ask());
        }

        assertEq(distributor.claimableHost(modelId), 5, "five of ten base units");
        assertEq(distributor.claimableOperator(trainerA), 2, "7/9 of three");
        assertEq(distributor.claimableOperator(validatorA), 1, "3/4 of two");
    }

    /// Nobody's part of a fee is less than nothing, nor more than the fee, wherever the floors of the sums fall.
    function testFuzz_usageRecorded_showsPartsOfEachFee(
        uint8[8] calldata prices,
        uint24 trainingPpm,
        uint24 validatorPpm
    ) public {
        trainingPpm = uint24(bound(trainingPpm, 0, 1_000_000));
        validatorPpm = uint24(bound(validatorPpm, 0, 1_000_000 - trainingPpm));
        // Every other split leaves the host nothing but what floors leave.
        if (prices[0] % 2 == 0) validatorPpm = 1_000_000 - trainingPpm;
        uint256 fees;
        for (uint256 i; i < 8; ++i) {
            vm.prank(host);
            models.updateTerms(modelId, flat(prices[i], trainingPpm, validatorPpm));
            (uint256 trainingBefore, uint256 validatorsBefore) = split(fees, trainingPpm, validatorPpm);
            fees += prices[i];
            (uint256 training, uint256 validators) = split(fees, trainingPpm, validatorPpm);
            (training, validators) = (training - trainingBefore, validators - validatorsBefore);
            uint32 id = ask();
            UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
            bytes memory signature = sign(receipt);

            vm.expectEmit(address(meter));
            emit IUsageMeter.UsageRecorded(
                receipt.requestId,
                modelId,
                node,
                1,
                17,
                23,
                prices[i],
                prices[i] - training - validators,
                training,
                validators,
                0
            );
            deliver(id, receipt, signature);
        }
    }

    /// Two halves of an odd sum are rounded down; both would catch up with the next odd fee by more than it brings.
    function test_deliver_isPaidWhenTheHostHasNoPart() public {
        earn(flat(3, 500_000, 500_000));
        earn(flat(3, 500_000, 500_000));

        assertEq(distributor.claimableHost(modelId), 0, "contributors have all");
        assertEq(distributor.claimableOperator(trainerA), 2, "7/9 of three");
        assertEq(distributor.claimableOperator(validatorA), 2, "3/4 of three");
    }

    function test_page_keepsTheSplitOfTheMomentOfTheRequest() public {
        uint32 old = ask();
        Terms memory changed = terms();
        (changed.trainingPpm, changed.validatorPpm) = (100_000, 50_000);
        vm.prank(host);
        models.updateTerms(modelId, changed);
        uint32 recent = ask();

        answer(recent);
        (uint256 training, uint256 validators) = split(FEE, 100_000, 50_000);
        assertEq(distributor.claimableHost(modelId), FEE - training - validators, "new split first");
        answer(old);

        (uint256 oldTraining, uint256 oldValidators) = split(FEE);
        training += oldTraining;
        validators += oldValidators;
        assertEq(distributor.claimableHost(modelId), 2 * FEE - training - validators, "host");
        assertEq(distributor.claimableOperator(trainerA), training * 7 / 9, "training nodes, both splits");
        assertEq(distributor.claimableOperator(validatorB), validators / 4, "validators, both splits");
    }

    /// Each part alone may fall or rise.
    function test_page_beginsAnewWhicheverPartChanges() public {
        uint24[2][5] memory ppms = [
            [uint24(300_000), 200_000],
            [uint24(300_000), 100_000],
            [uint24(300_000), 250_000],
            [uint24(200_000), 250_000],
            [uint24(400_000), 250_000]
        ];
        uint256 training;
        uint256 validators;
        for (uint256 i; i < 5; ++i) {
            earn(flat(1_000_000, ppms[i][0], ppms[i][1]));
            training += ppms[i][0];
            validators += ppms[i][1];
            assertEq(distributor.claimableHost(modelId), (i + 1) * 1_000_000 - training - validators, "host");
        }

        assertEq(distributor.claimableOperator(trainerA), training * 7 / 9, "training nodes");
        assertEq(distributor.claimableOperator(validatorA), validators * 3 / 4, "validators");
    }

    function test_deliver_givesBackASingleUnit() public {
        Terms memory t = flat(10, 300_000, 200_000);
        (t.promptPrice, t.maxPromptTokens) = (1_000_000, 18);
        vm.prank(host);
        models.updateTerms(modelId, t);

        answer(ask());

        assertEq(distributor.balanceOf(requester), 1, "18 tokens paid for, 17 used");
    }

    /// Splits come and go; each run of fees with one split is one page, and nothing is lost between pages.
    function testFuzz_pages_foldIntoTheLedger(uint96[12] calldata prices, uint8[12] calldata splits) public {
        uint24[2][4] memory ppms =
            [[uint24(300_000), 200_000], [uint24(0), 0], [uint24(1_000_000), 0], [uint24(1), 999_999]];
        uint256 training;
        uint256 validators;
        uint256 all;
        uint256 page;
        for (uint256 i; i < 12; ++i) {
            uint256 which = splits[i] % 4;
            if (i != 0 && which != splits[i - 1] % 4) page = 0;
            uint96 price = uint96(bound(prices[i], 0, 1e24));
            earn(flat(price, ppms[which][0], ppms[which][1]));
            (uint256 trainingBefore, uint256 validatorsBefore) = split(page, ppms[which][0], ppms[which][1]);
            page += price;
            (uint256 trainingAfter, uint256 validatorsAfter) = split(page, ppms[which][0], ppms[which][1]);
            training += trainingAfter - trainingBefore;
            validators += validatorsAfter - validatorsBefore;
            all += price;
            if (i % 5 == 4 && distributor.claimableHost(modelId) != 0) {
                distributor.claimHost(one(modelId), address(0));
            }
        }

        assertEq(
            distributor.claimableHost(modelId) + token.balanceOf(host), all - training - validators, "host"
        );
        assertEq(distributor.claimableOperator(trainerA), training * 7 / 9, "training node A");
        assertEq(distributor.claimableOperator(trainerB), training * 2 / 9, "training node B");
        assertEq(distributor.claimableOperator(validatorA), validators * 3 / 4, "validator A");
        assertEq(distributor.claimableOperator(validatorB), validators / 4, "validator B");
    }

    function test_page_settlesInPartsToTheSameSum() public {
        uint256 paid;
        uint256 training;
        for (uint96 i = 1; i <= 9; ++i) {
            // Odd prices, and another split every third time.
            earn(flat(i * 1_000_003, i % 3 == 0 ? 111_111 : 333_333, 200_000));
            uint256 part;
            if (i % 3 == 2) (part,) = split((2 * i - 1) * 1_000_003, 333_333, 200_000);
            if (i % 3 == 0) (part,) = split(i * 1_000_003, 111_111, 200_000);
            training += part;
            if (distributor.claimableOperator(trainerB) != 0) paid += _claimGross(trainerB);
        }

        assertEq(paid + distributor.claimableOperator(trainerB), training * 2 / 9, "floor of the whole");
    }

    function test_page_ofAModelWithoutTableIsTheHosts() public {
        modelId = register("new", terms());
        answer(ask());
        assertEq(distributor.claimableHost(modelId), FEE, "all");

        attest(table(modelId, contributors(one(trainerA), one(uint32(1))), nobody(), 1));

        assertEq(distributor.claimableHost(modelId), FEE, "stays the host's");
        assertEq(distributor.claimableOperator(trainerA), 0, "nothing for a later table");
        answer(ask());
        assertEq(distributor.claimableOperator(trainerA), ppm(FEE, 300_000), "from now on");
        assertEq(distributor.claimableHost(modelId), 2 * FEE - ppm(FEE, 300_000), "host has the other role's part");
    }

    function test_page_givesTheHostThePartOfARoleWithoutMembers() public {
        attest(table(modelId, nobody(), contributors(one(validatorA), one(uint32(1))), 2));
        uint32 id = ask();
        UsageReceipt memory receipt = receiptFor(id, 1, node, 17, 23);
        bytes memory signature = sign(receipt);
        (uint256 most,) = meter.quote(modelId, 1, 1);
        uint256 validators = ppm(FEE, 200_000);

        vm.expectEmit(address(meter));
        emit IUsageMeter.UsageRecorded(
            receipt.requestId, modelId, node, 1, 17, 23, FEE, FEE - validators, 0, validators, most - FEE
        );
        deliver(id, receipt, signature);

        assertEq(distributor.claimableHost(modelId), FEE - validators, "host");
        assertEq(distributor.claimableOperator(validatorA), validators, "validator");
    }

    function test_page_ofFreeAnswersChangesNothing() public {
        earn(flat(0, 300_000, 200_000));
        earn(flat(0, 200_000, 300_000));

        assertEq(distributor.claimableHost(modelId), 0, "nothing");
        assertEq(distributor.claimableOperator(trainerA), 0, "nothing");
    }

    function test_setContributors_settlesThePastFirst() public {
        answer(ask());
        uint256 earned = distributor.claimableOperator(trainerA);
        uint256 hostBefore = distributor.claimableHost(modelId);
        uint256 paidToRoles = ppm(FEE, 500_000);
        uint256 all = _claimableByAll();

        attest(table(modelId, contributors(one(trainerB), one(uint32(1))), nobody(), 2));

        assertEq(distributor.claimableHost(modelId) - hostBefore, paidToRoles - all, "remainder goes to the host");
        assertEq(_claimableByAll(), all, "nobody else's changed");
        answer(ask());
        assertEq(distributor.claimableOperator(trainerA), earned, "out of the table");
        assertEq(distributor.modelsOf(trainerA).length, 0, "forgotten");
        (, uint64 nonce, IRewardDistributor.Contributor[] memory training,) = distributor.contributorsOf(modelId);
        assertEq(nonce, 2, "nonce");
        assertEq(training.length, 1, "one training node");
    }

    /// A table is replaced after claims, after changes of split and before deliveries that were under way.
    function test_setContributors_inTheMiddleOfEverything() public {
        uint32 underWay = ask();
        answer(ask());
        Terms memory changed = terms();
        (changed.trainingPpm, changed.validatorPpm) = (600_000, 100_000);
        vm.prank(host);
        models.updateTerms(modelId, changed);
        answer(ask());
        uint256 paid = _claimGross(trainerA);
        uint256 hostPaid = distributor.claimableHost(modelId);
        distributor.claimHost(one(modelId), address(0));
        answer(ask());

        attest(table(modelId, contributors(one(trainerA), one(uint32(1))), nobody(), 2));
        answer(underWay);

        (uint256 training,) = split(FEE);
        (uint256 changedTraining,) = split(2 * FEE, 600_000, 100_000);
        training += changedTraining;
        assertEq(
            paid + distributor.claimableOperator(trainerA),
            training * 7 / 9 + ppm(FEE, 300_000),
            "7/9 of the old table, all of the new one by the split of the request"
        );
        assertEq(
            hostPaid + distributor.claimableHost(modelId) + paid + _claimableByAll(), 4 * FEE, "all of four fees"
        );
    }

    function testFuzz_setContributors_losesNothing(uint96[6] calldata prices, uint32[6] calldata weights) public {
        uint256 all;
        uint256 paid;
        for (uint256 i; i < 6; ++i) {
            uint96 price = uint96(bound(prices[i], 0, 1e24));
            earn(flat(price, 333_333, 666_666));
            all += price;
            if (i == 3 && distributor.claimableOperator(trainerA) != 0) paid = _claimGross(trainerA);
            uint32 weight = uint32(bound(weights[i], 1, type(uint24).max - 3));
            attest(
                table(
                    modelId,
                    contributors(two(trainerA, i % 2 == 0 ? trainerB : validatorB), two(weight, 3)),
                    i % 3 == 0 ? nobody() : contributors(two(trainerA, validatorA), two(3, weight)),
                    uint64(i + 2)
                )
            );
        }
        assertEq(distributor.claimableHost(modelId) + paid + _claimableByAll(), all, "to the last unit");
    }

    function test_units_areCountedInFundedEpochsAlone() public {
        _fund(1);
        _fund(3);
        for (uint256 day; day < 5; ++day) {
            vm.warp((FIRST + day) * 1 days + 1 hours);
            answer(ask());
            answer(ask());
        }
        uint256 before = ppm(2 * FEE, 500_000);
        uint256 after1 = ppm(4 * FEE, 500_000);
        uint256 before3 = ppm(6 * FEE, 500_000);
        uint256 after3 = ppm(8 * FEE, 500_000);

        assertEq(distributor.unitsOf(1, FIRST), 0, "not funded");
        assertEq(distributor.unitsOf(1, FIRST + 1), after1 - before, "funded");
        assertEq(distributor.unitsOf(1, FIRST + 2), 0, "not funded");
        assertEq(distributor.unitsOf(1, FIRST + 3), after3 - before3, "funded");
        assertEq(distributor.unitsOf(1, FIRST + 4), 0, "not funded");
        assertEq(distributor.unitsIn(FIRST + 1), after1 - before, "all tables");
        assertEq(distributor.unitsIn(FIRST + 2), 0, "all tables");
    }

    function test_units_countOnWhenSplitOrTableChange() public {
        _fund(1);
        vm.warp((FIRST + 1) * 1 days);
        answer(ask());
        earn(flat(1e18 + 1, 400_000, 100_000));
        answer(ask());
        uint256 first = ppm(FEE, 500_000) + ppm(2e18 + 2, 500_000);
        assertEq(distributor.unitsOf(1, FIRST + 1), first, "two splits, while the day goes on");

        attest(table(modelId, contributors(one(trainerA), one(uint32(1))), nobody(), 2));
        answer(ask());
        vm.warp((FIRST + 2) * 1 days);
        answer(ask());

        assertEq(distributor.unitsOf(1, FIRST + 1), first, "the table that was replaced");
        assertEq(distributor.unitsOf(2, FIRST + 1), ppm(1e18 + 1, 400_000), "the table that replaced it");
        assertEq(distributor.unitsIn(FIRST + 1), first + ppm(1e18 + 1, 400_000), "both");
        assertEq(distributor.unitsOf(2, FIRST + 2), 0, "not funded");
    }

    function test_units_areNotCountedForModelsWithoutContributors() public {
        modelId = register("alone", terms());
        _fund(1);
        vm.warp((FIRST + 1) * 1 days);
        answer(ask());

        assertEq(distributor.unitsIn(FIRST + 1), 0, "no units");
        assertEq(distributor.unitsOf(0, FIRST + 1), 0, "no table");
    }

    function _fund(uint256 day) private {
        token.mint(address(this), 1);
        token.approve(address(emissions), 1);
        emissions.fund(FIRST + day, 1, 1);
    }

    function _claimGross(address operator) private returns (uint256 gross) {
        gross = distributor.claimableOperator(operator);
        claimOperator(operator);
    }

    function _claimableByAll() private view returns (uint256) {
        return distributor.claimableOperator(trainerA) + distributor.claimableOperator(trainerB)
            + distributor.claimableOperator(validatorA) + distributor.claimableOperator(validatorB);
    }
}
