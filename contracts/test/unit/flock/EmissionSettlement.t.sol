// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IEmissionProgram} from "../../../src/interfaces/IEmissionProgram.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {EmissionSetup} from "./EmissionSetup.t.sol";

/// @title What a table gets of a pool, and how it is divided.
contract EmissionSettlementTest is EmissionSetup {
    /// @dev An answer at this price counts 30,000e18 units: 15,000e18 for a role with ppm of 500,000, half for the other.
    uint96 internal constant PRICE = 40_000e18;
    /// @dev At a claim fee of 8 % a pool of this size never reaches the cap of one answer at PRICE.
    uint256 internal constant POOL = 1_000e18;

    /// Vector T12 of FLock's documents, from fees to what arrives, on the contracts as deployed.
    function test_emissions_followVectorT12() public {
        ModelId modelA = _model("model A", 100_000e18);
        ModelId modelB = _model("model B", 50_000.2e18, 500_000, 0);
        address[] memory nodes = new address[](3);
        uint32[] memory weights = new uint32[](3);
        (nodes[0], nodes[1], nodes[2]) = (trainerA, trainerB, trainerC);
        (weights[0], weights[1], weights[2]) = (14_000, 8_000, 2_000);
        uint256 tableA = _setTable(modelA, contributors(nodes, weights), _sole(validatorA));
        uint256 tableB = _setTable(modelB, _sole(validatorB), _none());
        _stake(trainerA, 2_500e18, 1_000_000);
        _stake(trainerB, 3_000e18, 400_000);
        _stake(trainerC, 1_000e18, 0);
        _stake(validatorA, 12_000e18, 0);
        _delegate(delegatorA, trainerB, 250e18);
        _delegate(delegatorB, trainerB, 750e18);
        _fund(EPOCH, 1_000e18);
        vm.warp(EPOCH * 1 days + 12 hours);
        _use(modelA, 1);
        _use(modelB, 1);
        assertEq(distributor.unitsOf(tableA, EPOCH), 750_000e17, "units of model A");
        assertEq(distributor.unitsOf(tableB, EPOCH), 250_001e17, "units of model B");
        assertEq(distributor.unitsIn(EPOCH), 1_000_001e17, "units of both");

        _beginDay(EPOCH + 1);
        _settle(tableA, EPOCH);
        _settle(tableB, EPOCH);

        // Model A 749,999,250,000,749,999,250 and model B the rest; 305,... + 444,... are model A's.
        _assertSettlement(tableA, EPOCH, 305_768_925_000_305_768_925, 444_230_325_000_444_230_325);
        _assertSettlement(tableB, EPOCH, 250_000_749_999_250_000_750, 0);
        _assertPool(EPOCH, 1_000e18, 1_000_001e17);
        _assertPool(EPOCH + 2, 0, 0);

        assertEq(_due(trainerA, tableA, EPOCH), 178_365_206_250_178_365_207, "rank 1, with the remainder");
        assertEq(_due(trainerB, tableA, EPOCH), 86_634_528_750_086_634_529, "rank 2 without its delegators");
        assertEq(_due(trainerC, tableA, EPOCH), 25_480_743_750_025_480_743, "rank 3");
        assertEq(_due(validatorA, tableA, EPOCH), 444_230_325_000_444_230_325, "validator");

        _claims(trainerA, tableA, 164_095_989_750_164_095_991);
        _claims(trainerB, tableA, 79_703_766_450_079_703_767);
        _claims(trainerC, tableA, 23_442_284_250_023_442_284);
        _claims(validatorA, tableA, 408_691_899_000_408_691_899);
        _claims(validatorB, tableB, 230_000_689_999_310_000_690);
        // 15,288,446,250,015,288,446 for both: the floor of a quarter, then what is left.
        assertEq(_dueOf(delegatorA, trainerB, tableA, EPOCH), 3_822_111_562_503_822_111, "250 of 1,000");
        _claimsFrom(delegatorA, trainerB, tableA, 3_267_905_385_940_767_905);
        assertEq(_dueOf(delegatorB, trainerB, tableA, EPOCH), 11_466_334_687_511_466_335, "750 of 1,000");
        _claimsFrom(delegatorB, trainerB, tableA, 9_803_716_157_822_303_717);

        assertEq(emissions.reserves(), emissions.treasuryOwed(), "all else is paid");
        emissions.payTreasury();
        assertEq(emissions.reserves(), 0, "to the last unit");
        assertEq(token.balanceOf(address(emissions)), 0, "and nothing is left");
    }

    function test_settle_capsAtTheClaimFeeOfTheUnits() public {
        ModelId id = _model("capped", 1e18);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(id, 2);
        _beginDay(EPOCH + 1);
        (IEmissionProgram.Settlement memory planned, uint256 leftOver) = emissions.shareOf(_share(tableId, EPOCH));
        assertEq(planned.training + planned.validators, 0.12e18, "8 % of 1.5e18 units");
        assertEq(leftOver, 999.88e18, "the rest of the pool");

        vm.expectEmit(address(emissions));
        emit IEmissionProgram.ShareSettled(tableId, EPOCH, 0.06e18, 0.06e18, 999.88e18);
        vm.expectEmit(address(emissions));
        emit IEmissionProgram.EpochFunded(EPOCH + 2, address(emissions), 999.88e18);
        emissions.settle(_share(tableId, EPOCH));

        _assertPool(EPOCH, POOL, 1.5e18);
        _assertPool(EPOCH + 2, 999.88e18, 0);
        assertEq(emissions.reserves(), POOL, "reserves stay as they were");
        (, leftOver) = emissions.shareOf(_share(tableId, EPOCH));
        assertEq(leftOver, 0, "it has gone");
    }

    function test_settle_leftOverIsEarnedTomorrow() public {
        ModelId id = _model("small", 1e18);
        uint256 small = _setTable(id, trainerA, validatorA);
        ModelId large = _model("large", PRICE);
        uint256 tableId = _setTable(large, trainerB, validatorB);
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(id, 1);
        _beginDay(EPOCH + 1);
        _settle(small, EPOCH);
        _beginDay(EPOCH + 2);
        _use(large, 1);
        _beginDay(EPOCH + 3);

        _settle(tableId, EPOCH + 2);

        // 8 % of 0.75e18 stayed with the small model.
        _assertSettlement(tableId, EPOCH + 2, 499.97e18, 499.97e18);
        _assertPool(EPOCH + 4, 0, 0);
    }

    function test_settle_capIsTheLowerClaimFee() public {
        uint256 tomorrow = block.timestamp / 1 days + 1;
        assertEq(emissions.capPpm(tomorrow), 80_000, "operators pay less");
        _setClaimFees(200_000, 123_457);
        assertEq(emissions.capPpm(tomorrow), 123_457, "delegators pay less");
        _setClaimFees(70_000, 70_000);
        assertEq(emissions.capPpm(tomorrow), 70_000, "both pay the same");

        ModelId id = _model("capped", 1e18);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(id, 1);
        _beginDay(EPOCH + 1);
        _settle(tableId, EPOCH);
        _assertSettlement(tableId, EPOCH, 0.02625e18, 0.02625e18);
    }

    /// Fees of a day can be claimed at any rate since that day: a higher one later must not lift what the day is worth.
    function test_settle_capIsTheLowestClaimFeeSinceTheEpochBegan() public {
        uint256 today = block.timestamp / 1 days;

        vm.warp((today + 1) * 1 days);
        _setClaimFees(200_000, 200_000);
        assertEq(emissions.capPpm(today), 80_000, "that of before was in force");
        assertEq(emissions.capPpm(today + 1), 80_000, "also when the day began");
        assertEq(emissions.capPpm(today + 2), 200_000, "not any more");

        vm.warp((today + 3) * 1 days);
        _setClaimFees(30_000, 40_000);
        _setClaimFees(150_000, 50_000);
        assertEq(emissions.capPpm(today + 2), 30_000, "for a moment is enough");
        assertEq(emissions.capPpm(today + 3), 30_000, "on that day too");
        assertEq(emissions.capPpm(today + 4), 50_000, "not any more");
        assertEq(emissions.capPpm(0), 30_000, "the lowest of all");
    }

    function test_settle_withoutClaimFeesAllIsLeftOver() public {
        _setClaimFees(80_000, 0);
        ModelId id = _model("capped", 1e18);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(id, 1);
        _beginDay(EPOCH + 1);

        _settle(tableId, EPOCH);

        _assertSettlement(tableId, EPOCH, 0, 0);
        _assertPool(EPOCH + 2, POOL, 0);
    }

    function test_settle_happensOnce() public {
        ModelId id = _model("once", 1e18);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(id, 1);
        _beginDay(EPOCH + 1);
        _settle(tableId, EPOCH);
        _setClaimFees(200_000, 200_000);

        vm.recordLogs();
        emissions.settle(_share(tableId, EPOCH));

        assertEq(vm.getRecordedLogs().length, 0, "nothing happened");
        _assertSettlement(tableId, EPOCH, 0.03e18, 0.03e18);
        _assertPool(EPOCH, POOL, 0.75e18);
        _assertPool(EPOCH + 2, POOL - 0.06e18, 0);
    }

    /// Nothing left over opens no further epoch.
    function test_settle_belowTheCapFundsNoOtherEpoch() public {
        ModelId id = _model("below", PRICE);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        _fund(EPOCH, 1_000);
        _beginDay(EPOCH);
        _use(id, 1);
        _beginDay(EPOCH + 1);

        vm.recordLogs();
        emissions.settle(_share(tableId, EPOCH));

        assertEq(vm.getRecordedLogs().length, 1, "the settlement alone");
        (IEmissionProgram.Settlement memory settlement, uint256 leftOver) = emissions.shareOf(_share(tableId, EPOCH));
        assertEq(uint256(settlement.training) + settlement.validators, 1_000, "all of the pool");
        assertEq(leftOver, 0, "nothing left over");
        _assertPool(EPOCH + 2, 0, 0);
    }

    function test_settle_revertsBeforeTheEpochsEnd() public {
        ModelId id = _model("early", PRICE);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(id, 1);
        vm.warp((EPOCH + 1) * 1 days - 1);
        bytes memory tooEarly = abi.encodeWithSelector(IEmissionProgram.EpochNotOver.selector, EPOCH);
        vm.expectRevert(tooEarly);
        emissions.settle(_share(tableId, EPOCH));
        vm.expectRevert(tooEarly);
        emissions.shareOf(_share(tableId, EPOCH));
        vm.expectRevert(tooEarly);
        emissions.claimableOperator(trainerA, _share(tableId, EPOCH));
        vm.expectRevert(tooEarly);
        emissions.claimableDelegator(delegatorA, trainerA, _share(tableId, EPOCH));
        vm.expectRevert(abi.encodeWithSelector(IEmissionProgram.EpochNotOver.selector, type(uint256).max));
        emissions.settle(_share(tableId, type(uint256).max));

        _beginDay(EPOCH + 1);
        _settle(tableId, EPOCH);
    }

    function test_settle_ofAShareWithoutUnitsDoesNothing() public {
        ModelId id = _model("idle", PRICE);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        ModelId used = _model("used", PRICE);
        _setTable(used, trainerB, validatorB);
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(used, 1);
        _beginDay(EPOCH + 1);

        vm.recordLogs();
        emissions.settle(_share(tableId, EPOCH));
        emissions.settle(_share(tableId + 100, EPOCH));

        assertEq(vm.getRecordedLogs().length, 0, "nothing happened");
        (IEmissionProgram.Settlement memory settlement, uint256 leftOver) = emissions.shareOf(_share(tableId, EPOCH));
        assertTrue(!settlement.isSettled, "not settled");
        assertEq(leftOver, 0, "nothing left over");
        _assertPool(EPOCH, POOL, 0);
        assertEq(_due(trainerA, tableId, EPOCH), 0, "nothing due");
    }

    function test_units_countInFundedEpochsAlone() public {
        ModelId id = _model("days", PRICE);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        _fund(EPOCH, POOL);
        _use(id, 1);
        _beginDay(EPOCH);
        _use(id, 2);
        _beginDay(EPOCH + 1);
        _use(id, 3);
        _beginDay(EPOCH + 2);

        assertEq(distributor.unitsOf(tableId, TODAY), 0, "before");
        assertEq(distributor.unitsOf(tableId, EPOCH), 60_000e18, "funded");
        assertEq(distributor.unitsOf(tableId, EPOCH + 1), 0, "after");
        assertEq(distributor.unitsIn(TODAY) + distributor.unitsIn(EPOCH + 1), 0, "in all");
        assertEq(distributor.unitsIn(EPOCH), 60_000e18, "in all of the funded one");
        (IEmissionProgram.Settlement memory settlement,) = emissions.shareOf(_share(tableId, TODAY));
        assertTrue(!settlement.isSettled, "no share of an epoch without emissions");
    }

    function test_units_stayWhenTheDayChangesWithoutAnotherDelivery() public {
        ModelId id = _model("last words", PRICE);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(id, 1);
        vm.warp((EPOCH + 1) * 1 days - 1);
        _use(id, 1);
        _beginDay(EPOCH + 30);
        assertEq(distributor.unitsOf(tableId, EPOCH), 60_000e18, "before the next delivery");

        _use(id, 1);

        assertEq(distributor.unitsOf(tableId, EPOCH), 60_000e18, "after it");
        _settle(tableId, EPOCH);
        _assertSettlement(tableId, EPOCH, POOL / 2, POOL / 2);
    }

    function test_units_areCountedForEachFundedDay() public {
        ModelId id = _model("every day", PRICE);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        vm.prank(funder);
        emissions.fund(EPOCH, 3, POOL);
        for (uint256 i; i < 3; ++i) {
            _beginDay(EPOCH + i);
            _use(id, i + 1);
        }
        _beginDay(EPOCH + 3);

        for (uint256 i; i < 3; ++i) {
            assertEq(distributor.unitsOf(tableId, EPOCH + i), (i + 1) * 30_000e18, "of the table");
            assertEq(distributor.unitsIn(EPOCH + i), (i + 1) * 30_000e18, "in all");
            _settle(tableId, EPOCH + i);
            _assertSettlement(tableId, EPOCH + i, POOL / 2, POOL / 2);
        }
    }

    function test_units_areThoseOfBothSplitsWhenItChangesDuringTheDay() public {
        ModelId id = _model("split", PRICE);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(id, 1);
        vm.prank(host);
        models.updateTerms(id, _terms(PRICE, 0, 250_000));

        _use(id, 1);

        assertEq(distributor.unitsOf(tableId, EPOCH), 40_000e18, "30,000 + 10,000");
        assertEq(distributor.unitsIn(EPOCH), 40_000e18, "in all");
    }

    function test_settle_sharesThePoolByUnits() public {
        ModelId first = _model("first", PRICE);
        ModelId second = _model("second", 3 * PRICE);
        ModelId third = _model("third", PRICE, 250_000, 250_000);
        uint256 firstTable = _setTable(first, trainerA, validatorA);
        uint256 secondTable = _setTable(second, trainerA, validatorB);
        uint256 thirdTable = _setTable(third, trainerB, validatorB);
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(first, 1);
        _use(second, 1);
        _use(third, 3);
        _beginDay(EPOCH + 1);

        // 30,000 + 90,000 + 3 * 20,000 units.
        _settle(thirdTable, EPOCH);
        _settle(firstTable, EPOCH);
        _settle(secondTable, EPOCH);

        _assertSettlement(firstTable, EPOCH, POOL / 12, POOL / 12 + 1);
        _assertSettlement(secondTable, EPOCH, POOL / 4, POOL / 4);
        _assertSettlement(thirdTable, EPOCH, POOL / 6, POOL / 6 + 1);
    }

    function test_settle_tablesThatFollowEachOtherOnOneDayEachHaveTheirShare() public {
        ModelId id = _model("handed over", PRICE);
        uint256 oldTable = _setTable(id, _sole(trainerA), _none());
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(id, 1);
        uint256 newTable = _setTable(id, trainerB, validatorB);
        _use(id, 2);
        _beginDay(EPOCH + 1);
        assertEq(distributor.unitsOf(oldTable, EPOCH), 20_000e18, "training nodes alone");
        assertEq(distributor.unitsOf(newTable, EPOCH), 60_000e18, "both roles");

        _settle(newTable, EPOCH);
        _settle(oldTable, EPOCH);

        _assertSettlement(oldTable, EPOCH, POOL / 4, 0);
        _assertSettlement(newTable, EPOCH, POOL * 3 / 8, POOL * 3 / 8);
        assertEq(_due(trainerA, oldTable, EPOCH), POOL / 4, "out of the table, and yet due");
        assertEq(_due(trainerA, newTable, EPOCH), 0, "not of the new one");
        assertEq(_due(trainerB, oldTable, EPOCH), 0, "not of the old one");
    }

    function test_units_ofATableThatWasReplacedLaterAreThoseOfItsDay() public {
        ModelId id = _model("replaced later", PRICE);
        uint256 oldTable = _setTable(id, trainerA, validatorA);
        vm.prank(funder);
        emissions.fund(EPOCH, 3, POOL);
        _beginDay(EPOCH);
        _use(id, 2);
        _beginDay(EPOCH + 2);
        uint256 newTable = _setTable(id, trainerB, validatorB);
        _use(id, 1);
        _beginDay(EPOCH + 3);

        assertEq(distributor.unitsOf(oldTable, EPOCH), 60_000e18, "first day");
        assertEq(distributor.unitsOf(oldTable, EPOCH + 2), 0, "replaced before anyone asked");
        assertEq(distributor.unitsOf(newTable, EPOCH + 2), 30_000e18, "new table");
        assertEq(distributor.unitsOf(newTable, EPOCH), 0, "not before it was there");
    }

    /// A day on which a model has no contributors for a while: what is used then counts for nobody.
    function test_units_ofATimeWithoutContributorsCountForNobody() public {
        ModelId id = _model("gap", PRICE);
        uint256 first = _setTable(id, trainerA, validatorA);
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(id, 1);
        uint256 empty = _setTable(id, _none(), _none());
        _use(id, 1);
        uint256 last = _setTable(id, trainerB, validatorB);
        _use(id, 1);

        assertEq(distributor.unitsOf(first, EPOCH), 30_000e18, "first");
        assertEq(distributor.unitsOf(empty, EPOCH), 0, "empty");
        assertEq(distributor.unitsOf(last, EPOCH), 30_000e18, "last");
        assertEq(distributor.unitsIn(EPOCH), 60_000e18, "in all");
    }

    function test_settle_aRoleWithoutMembersLeavesAllToTheOther() public {
        ModelId noValidators = _model("no validators", PRICE);
        ModelId noTrainers = _model("no training nodes", 2 * PRICE);
        uint256 trainingTable = _setTable(noValidators, _sole(trainerA), _none());
        uint256 validatorTable = _setTable(noTrainers, _none(), _sole(validatorA));
        _stake(trainerA, 1e18, 0);
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(noValidators, 1);
        _use(noTrainers, 1);
        _beginDay(EPOCH + 1);

        _settle(trainingTable, EPOCH);
        _settle(validatorTable, EPOCH);

        // 20,000 units each.
        _assertSettlement(trainingTable, EPOCH, POOL / 2, 0);
        _assertSettlement(validatorTable, EPOCH, 0, POOL / 2);
        assertEq(_due(trainerA, trainingTable, EPOCH), POOL / 2, "training node");
        assertEq(_due(validatorA, validatorTable, EPOCH), POOL / 2, "validator");
    }

    function test_settle_withoutStakeEachRoleHasHalf() public {
        ModelId id = _model("no stake", PRICE);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        _fund(EPOCH, POOL + 1);
        _beginDay(EPOCH);
        _use(id, 1);
        _beginDay(EPOCH + 1);

        _settle(tableId, EPOCH);

        _assertSettlement(tableId, EPOCH, POOL / 2, POOL / 2 + 1);
    }

    function test_settle_splitsByGammaAndStakeOfTheRoles() public {
        ModelId id = _model("stakes", PRICE);
        uint256 tableId = _setTable(
            id, contributors(two(trainerA, trainerB), two(uint32(3), uint32(1))), _sole(validatorA)
        );
        _stake(trainerA, 100e18, 0);
        _stake(trainerB, 200e18, 0);
        _stake(validatorA, 50e18, 0);
        _delegate(delegatorA, validatorA, 50e18);
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(id, 1);
        _beginDay(EPOCH + 1);

        _settle(tableId, EPOCH);

        // 0.1 + 0.8 * 300 / 400, and 0.1 + 0.8 * 100 / 400.
        _assertSettlement(tableId, EPOCH, 700e18, 300e18);
        assertEq(_due(trainerA, tableId, EPOCH), 525e18, "by weight, not by stake");
        assertEq(_due(trainerB, tableId, EPOCH), 175e18, "by weight, not by stake");
        assertEq(_due(validatorA, tableId, EPOCH), 150e18, "own half of the stake");
        assertEq(_dueOf(delegatorA, validatorA, tableId, EPOCH), 150e18, "delegated half");
    }

    function test_settle_oneAccountInBothRolesHasBothParts() public {
        ModelId id = _model("both roles", PRICE);
        uint256 tableId = _setTable(
            id,
            contributors(two(trainerA, trainerB), two(uint32(3), uint32(1))),
            contributors(two(trainerA, trainerB), two(uint32(1), uint32(1)))
        );
        _stake(trainerA, 100e18, 500_000);
        _stake(trainerB, 300e18, 0);
        _delegate(delegatorA, trainerA, 100e18);
        _fund(EPOCH, POOL);
        _beginDay(EPOCH);
        _use(id, 1);
        _beginDay(EPOCH + 1);

        // The stake of both counts in both roles: 500e18 each. A has 375e18 + 250e18, and its delegator a quarter of it.
        assertEq(_due(trainerA, tableId, EPOCH), 468.75e18, "A");
        assertEq(_dueOf(delegatorA, trainerA, tableId, EPOCH), 156.25e18, "delegator of A");
        assertEq(_due(trainerB, tableId, EPOCH), 375e18, "B");
        emissions.claimOperator(trainerA, _shares(tableId, EPOCH), address(0));
        assertEq(token.balanceOf(trainerA), 431.25e18, "both parts at once, less 8 %");
    }

    function test_stake_thatChangesOnTheDayCountsFromTheNextOn() public {
        ModelId id = _model("stake", PRICE);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        _stake(trainerA, 300e18, 1_000_000);
        _stake(validatorA, 100e18, 1_000_000);
        vm.prank(funder);
        emissions.fund(EPOCH, 2, POOL);
        _beginDay(EPOCH);

        _addStake(validatorA, 700e18);
        vm.prank(trainerA);
        vault.requestWithdrawal(100e18);
        _use(id, 1);
        _beginDay(EPOCH + 1);
        _use(id, 1);
        vm.prank(trainerA);
        vault.requestWithdrawal(200e18);
        _beginDay(EPOCH + 2);
        _settle(tableId, EPOCH);
        _settle(tableId, EPOCH + 1);

        // 0.1 + 0.8 * 300 / 400, then 0.1 + 0.8 * 200 / 1,000.
        _assertSettlement(tableId, EPOCH, 700e18, 300e18);
        _assertSettlement(tableId, EPOCH + 1, 260e18, 740e18);
    }

    function test_stake_ofEachDayIsFoundLongAfterwards() public {
        ModelId id = _model("history", PRICE);
        uint256 tableId = _setTable(id, trainerA, validatorA);
        _stake(trainerA, 100e18, 1_000_000);
        _stake(validatorA, 100e18, 1_000_000);
        vm.prank(funder);
        emissions.fund(EPOCH, 3, POOL);
        for (uint256 i; i < 3; ++i) {
            _beginDay(EPOCH + i);
            _use(id, 1);
            _addStake(trainerA, 200e18 << i);
            _addStake(trainerA, 1);
            vm.prank(trainerA);
            vault.requestWithdrawal(1);
        }
        _beginDay(EPOCH + 100);
        _addStake(trainerA, 1_000e18);

        // 100, then 300, then 700 of the stake with 100 of the validator's.
        _assertSettlement(tableId, EPOCH, 500e18, 500e18);
        _assertSettlement(tableId, EPOCH + 1, 700e18, 300e18);
        _assertSettlement(tableId, EPOCH + 2, 800e18, 200e18);
    }

    function test_sigma_thatChangesOnTheDayCountsFromTheNextOn() public {
        ModelId id = _model("sigma", PRICE);
        uint256 tableId = _setTable(id, _sole(trainerA), _none());
        _stake(trainerA, 100e18, 200_000);
        _delegate(delegatorA, trainerA, 100e18);
        vm.prank(funder);
        emissions.fund(EPOCH, 2, POOL);
        vm.prank(trainerA);
        vault.setSigma(1_000_000);
        vm.warp(EPOCH * 1 days + 23 hours);

        vault.applySigma(trainerA);
        _use(id, 1);
        _beginDay(EPOCH + 1);
        _use(id, 1);
        _beginDay(EPOCH + 2);

        assertEq(_dueOf(delegatorA, trainerA, tableId, EPOCH), 400e18, "0.8 of one half");
        assertEq(_due(trainerA, tableId, EPOCH), 600e18, "the operator's");
        assertEq(_dueOf(delegatorA, trainerA, tableId, EPOCH + 1), 0, "sigma 1 from the next day on");
        assertEq(_due(trainerA, tableId, EPOCH + 1), POOL, "the operator's");
    }

    function test_delegation_madeOnTheDayEarnsNothingForIt() public {
        ModelId id = _model("delegations", PRICE);
        uint256 tableId = _setTable(id, _sole(trainerA), _none());
        _stake(trainerA, 100e18, 0);
        _delegate(delegatorA, trainerA, 100e18);
        vm.prank(funder);
        emissions.fund(EPOCH, 2, POOL);
        _beginDay(EPOCH);

        _delegate(delegatorB, trainerA, 300e18);
        vm.prank(delegatorA);
        vault.undelegate(trainerA, 100e18);
        _use(id, 1);
        _beginDay(EPOCH + 1);
        _use(id, 1);
        _beginDay(EPOCH + 2);

        assertEq(_dueOf(delegatorB, trainerA, tableId, EPOCH), 0, "came on the day");
        assertEq(_dueOf(delegatorA, trainerA, tableId, EPOCH), 500e18, "left on the day");
        assertEq(_dueOf(delegatorB, trainerA, tableId, EPOCH + 1), 750e18, "three quarters of the next day");
        assertEq(_dueOf(delegatorA, trainerA, tableId, EPOCH + 1), 0, "gone");
    }

    /// The cap holds for each share, and what it leaves is in tomorrow's pool; no order makes or loses a unit.
    function testFuzz_settle_sumsUpToThePoolInAnyOrder(uint80[4] memory prices, uint80 pool, uint256 order) public {
        uint256[] memory tableIds = new uint256[](prices.length);
        ModelId[] memory ids = new ModelId[](prices.length);
        for (uint256 i; i < prices.length; ++i) {
            prices[i] = uint80(bound(prices[i], 4, type(uint80).max));
            ids[i] = _model(vm.toString(i), prices[i]);
            tableIds[i] = _setTable(ids[i], trainerA, validatorA);
        }
        pool = uint80(bound(pool, 1, type(uint80).max));
        _fund(EPOCH, pool);
        _beginDay(EPOCH);
        for (uint256 i; i < prices.length; ++i) {
            _use(ids[i], 1);
        }
        _beginDay(EPOCH + 1);

        uint256 emitted;
        for (uint256 i; i < prices.length; ++i) {
            uint256 pick = i + order % (prices.length - i);
            order /= prices.length - i;
            (tableIds[i], tableIds[pick]) = (tableIds[pick], tableIds[i]);
            IEmissionProgram.Settlement memory settlement = _settle(tableIds[i], EPOCH);
            uint256 emission = uint256(settlement.training) + settlement.validators;
            assertLe(emission, distributor.unitsOf(tableIds[i], EPOCH) * 80_000 / 1e6, "cap");
            emitted += emission;
        }

        _assertPool(EPOCH, pool, distributor.unitsIn(EPOCH));
        _assertPool(EPOCH + 2, pool - emitted, 0);
        assertEq(emissions.reserves(), pool, "reserves");
    }

    function _claims(address operator, uint256 tableId, uint256 net) private {
        uint256 paid = emissions.claimOperator(operator, _shares(tableId, EPOCH), address(0));
        assertEq(paid, net, "net of 8 %");
        assertEq(token.balanceOf(operator), net, "arrived");
    }

    function _claimsFrom(address delegator, address operator, uint256 tableId, uint256 net) private {
        uint256 paid = emissions.claimDelegator(delegator, operator, _shares(tableId, EPOCH), address(0));
        assertEq(paid, net, "net of 14.5 %");
        assertEq(token.balanceOf(delegator), net, "arrived");
    }
}
