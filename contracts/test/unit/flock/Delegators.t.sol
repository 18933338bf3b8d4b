// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ModelId} from "../../../src/types/ModelId.sol";
import {ContributorTest} from "../../mocks/ContributorTest.sol";

/// @title What delegators get, whoever settles their operator, and when.
contract DelegatorsTest is ContributorTest {
    ModelId internal secondModel;

    function setUp() public override {
        super.setUp();
        secondModel = register("second", flat(1_000, 300_000, 200_000));
        _secondTable(6, 1);
        vm.prank(host);
        models.updateTerms(modelId, flat(1_000, 300_000, 200_000));
    }

    function test_delegate_earnsNothingFromEarlierUsage() public {
        stake(trainerA, 1e18, 0);
        delegate(delegatorA, trainerA, 1e18);
        answer(ask());
        uint256 before = distributor.claimableDelegator(delegatorA, trainerA);

        delegate(delegatorB, trainerA, 8e18);

        assertEq(distributor.claimableDelegator(delegatorB, trainerA), 0, "came later");
        assertEq(distributor.claimableDelegator(delegatorA, trainerA), before, "keeps what was earned");
        assertTrue(before > 0, "there was something to earn");
    }

    function test_undelegate_keepsWhatWasEarnedAndEarnsNoMore() public {
        stake(trainerA, 1e18, 0);
        delegate(delegatorA, trainerA, 1e18);
        answer(ask());
        uint256 before = distributor.claimableDelegator(delegatorA, trainerA);
        vm.prank(delegatorA);
        vault.undelegate(trainerA, 1e18);

        answer(ask());

        assertEq(distributor.claimableDelegator(delegatorA, trainerA), before, "unchanged");
        assertTrue(before > 0, "there was something to keep");
    }

    /// What a delegator was paid leaves no trace that a later settlement could take for something due.
    function test_claimDelegator_startsAnewAfterAllWasPaidAndTaken() public {
        stake(trainerA, 1_000, 0);
        delegate(delegatorA, trainerA, 1_000);
        answer(ask());
        vm.prank(delegatorA);
        vault.undelegate(trainerA, 1_000);
        // 7/9 of 300 is 233, of which a half is the delegator's.
        assertEq(distributor.claimableDelegator(delegatorA, trainerA), 116, "waits");
        assertEq(claimDelegator(delegatorA, trainerA), 116 - ppm(116, 145_000), "paid");

        delegate(delegatorA, trainerA, 1_000);
        assertEq(distributor.claimableDelegator(delegatorA, trainerA), 0, "nothing yet");
        delegate(delegatorA, trainerA, 1_000);
        assertEq(distributor.claimableDelegator(delegatorA, trainerA), 0, "nothing yet");
        answer(ask());

        // 7/9 of 600 less what was settled: 233, of which two thirds are the delegator's.
        assertEq(distributor.claimableDelegator(delegatorA, trainerA), 155, "from now on");
    }

    function test_claimDelegator_addsWhatWaitsToWhatIsNew() public {
        stake(trainerA, 1_000, 0);
        delegate(delegatorA, trainerA, 1_000);
        answer(ask());
        delegate(delegatorA, trainerA, 1_000);
        assertEq(distributor.claimableDelegator(delegatorA, trainerA), 116, "settled");
        answer(ask());

        assertEq(distributor.claimableDelegator(delegatorA, trainerA), 116 + 155, "both");
        assertEq(claimDelegator(delegatorA, trainerA), 271 - ppm(271, 145_000), "paid");
        assertEq(distributor.claimableDelegator(delegatorA, trainerA), 0, "once");
    }

    function test_claimDelegator_keepsFractionsForLater() public {
        attest(table(modelId, contributors(one(trainerA), one(uint32(1))), nobody(), 2));
        stake(trainerA, 0, 0);
        delegate(delegatorA, trainerA, 2);
        delegate(delegatorB, trainerA, 1);
        vm.prank(host);
        models.updateTerms(modelId, flat(1, 1_000_000, 0));

        uint256 paid;
        for (uint256 i; i < 9; ++i) {
            answer(ask());
            if (distributor.claimableDelegator(delegatorA, trainerA) != 0) paid += claimDelegator(delegatorA, trainerA);
            // Settles the other one.
            delegate(delegatorB, trainerA, 1);
            vm.prank(delegatorB);
            vault.undelegate(trainerA, 1);
        }

        assertEq(paid + distributor.claimableDelegator(delegatorA, trainerA), 6, "two thirds of nine");
        assertEq(distributor.claimableDelegator(delegatorB, trainerA), 3, "a third");
    }

    /// Nobody's claim moves what another can claim.
    function test_claimDelegator_leavesOthersAlone() public {
        stake(trainerA, 1_000, 250_000);
        delegate(delegatorA, trainerA, 777);
        delegate(delegatorB, trainerA, 1_234);
        answer(ask());
        answerBy(secondModel);
        uint256 operatorDue = distributor.claimableOperator(trainerA);
        uint256 others = distributor.claimableDelegator(delegatorB, trainerA);

        claimDelegator(delegatorA, trainerA);

        assertEq(distributor.claimableOperator(trainerA), operatorDue, "operator");
        assertEq(distributor.claimableDelegator(delegatorB, trainerA), others, "other delegator");
        claimOperator(trainerA);
        assertEq(distributor.claimableDelegator(delegatorB, trainerA), others, "settled or not");
        assertEq(distributor.claimableDelegator(delegatorA, trainerA), 0, "paid before");
    }

    function test_sigma_splitsWhatIsEarnedWhileItIsInForce() public {
        stake(trainerA, 1_000, 0);
        delegate(delegatorA, trainerA, 1_000);
        vm.prank(trainerA);
        vault.setSigma(1_000_000);
        answer(ask());
        vm.warp(1_700_000_000 + 1 days);
        answer(ask());
        vault.applySigma(trainerA);

        uint256 due = distributor.claimableDelegator(delegatorA, trainerA);
        assertEq(due, uint256(600) * 7 / 9 / 2, "half of what came before");
        answer(ask());
        assertEq(distributor.claimableDelegator(delegatorA, trainerA), due, "and nothing of what came afterwards");
    }

    /// Fees, stake, tables and claims in any order: at each point a delegator is paid the same, whether the operator is
    /// settled by someone else's act first or not at all.
    function testFuzz_claimDelegator_isTheSameWithAndWithoutSettling(uint256[16] calldata seeds) public {
        stake(trainerA, 1e9, 123_456);
        delegate(delegatorA, trainerA, 1e9);
        delegate(delegatorB, trainerA, 1e9);
        for (uint256 i; i < seeds.length; ++i) {
            uint256 seed = seeds[i];
            address delegator = seed & 1 == 0 ? delegatorA : delegatorB;
            _act(seed >> 8, uint64(i + 2));

            uint256 start = vm.snapshotState();
            uint256 alone = _claim(delegator);
            vm.revertToState(start);
            _settle(seed >> 16 & 3);
            assertEq(_claim(delegator), alone, "settled first");
            // Goes on with what was settled, with what was claimed alone, or as if nothing had happened.
            if (seed >> 4 & 3 == 0) continue;
            vm.revertToState(start);
            if (seed >> 4 & 1 == 0) _claim(delegator);
        }

        _claim(delegatorA);
        _claim(delegatorB);
        _claim(delegatorC);
        address[4] memory operators = [trainerA, trainerB, validatorA, validatorB];
        for (uint256 i; i < 4; ++i) {
            if (distributor.claimableOperator(operators[i]) != 0) claimOperator(operators[i]);
        }
        if (distributor.claimableHost(modelId) != 0) distributor.claimHost(one(modelId), address(0));
        if (distributor.claimableHost(secondModel) != 0) distributor.claimHost(one(secondModel), address(0));
        if (distributor.treasuryOwed() != 0) distributor.payTreasury();
        assertEq(distributor.reserves(), token.balanceOf(address(distributor)), "nobody got more than there was");
        // The carry of spreads is below one base unit for each 1e18 delegated; members and delegators round down.
        assertLe(distributor.reserves(), 16, "and nothing but remainders is left");
    }

    function _act(uint256 seed, uint64 nonce) private {
        uint256 kind = seed & 15;
        uint256 amount = seed >> 16 & type(uint32).max;
        if (kind < 8) {
            ModelId present = modelId;
            if (kind >= 4) modelId = secondModel;
            // Half of these are smaller than the stake, so that remainders show.
            uint256 fee = 100 + (kind % 4 < 2 ? amount : amount * 1e12);
            earn(flat(uint96(fee), 300_000, kind % 2 == 0 ? 200_000 : 600_000));
            modelId = present;
        } else if (kind < 10) {
            delegate(kind == 8 ? delegatorA : delegatorB, trainerA, amount + 1);
        } else if (kind < 12) {
            address delegator = kind == 10 ? delegatorA : delegatorB;
            vm.startPrank(delegator);
            vault.undelegate(trainerA, bound(amount, 1, vault.delegationOf(delegator, trainerA)));
            // At least one unit stays, so that there is always something to take.
            stakeToken.mint(delegator, 1);
            stakeToken.approve(address(vault), 1);
            vault.delegate(trainerA, 1);
            vm.stopPrank();
        } else if (kind == 12) {
            addStake(trainerA, amount + 1);
        } else if (kind == 13) {
            _secondTable(uint32(amount % 1_000 + 1), nonce);
        } else {
            _claim(kind == 14 ? delegatorA : delegatorB);
        }
    }

    /// @dev Four ways to settle the operator, none of which takes from a delegator.
    function _settle(uint256 kind) private {
        if (kind == 0) addStake(trainerA, 1);
        if (kind == 1) delegate(delegatorC, trainerA, 1);
        if (kind == 2 && distributor.claimableOperator(trainerA) != 0) claimOperator(trainerA);
        if (kind == 3) {
            vm.prank(trainerA);
            vault.requestWithdrawal(1);
        }
    }

    function _claim(address delegator) private returns (uint256 paid) {
        uint256 due = distributor.claimableDelegator(delegator, trainerA);
        if (due == 0) return 0;
        uint256 before = token.balanceOf(delegator);
        paid = claimDelegator(delegator, trainerA);
        assertEq(paid, due - ppm(due, 145_000), "what was shown, less the claim fee");
        assertEq(token.balanceOf(delegator) - before, paid, "arrived");
    }

    function _secondTable(uint32 weight, uint64 nonce) private {
        attest(
            table(
                secondModel,
                contributors(two(trainerA, validatorA), two(uint32(5), weight)),
                contributors(one(trainerA), one(uint32(1))),
                nonce
            )
        );
    }
}
