// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {ContributorTest} from "../../mocks/ContributorTest.sol";

/// @title Faults that were found once and must not come back.
contract RegressionsTest is ContributorTest {
    /// @dev Two answers at one base unit each, one of them with a table that then gives way, split as one sum of 2: the
    ///      delegator, paid for both, would else be paid more than a table's end later leaves to spread.
    function test_tableChange_afterAClaim_paysNobodyTwice() public {
        _claimAheadOfATableChange();

        uint256 operatorDue = distributor.claimableOperator(trainerA);

        assertEq(token.balanceOf(delegatorA), 1, "the delegator's half of both");
        assertEq(operatorDue, 1, "the operator's half");
    }

    function test_tableChange_afterAClaim_leavesNothingMoreToTheDelegator() public {
        _claimAheadOfATableChange();

        assertEq(distributor.claimableDelegator(delegatorA, trainerA), 0, "no more than it was paid");
    }

    function test_tableChange_afterAClaim_letsStakeLeave() public {
        _claimAheadOfATableChange();

        vm.prank(delegatorA);
        vault.undelegate(trainerA, 1);
        for (uint256 i; i < 8; ++i) {
            answer(ask());
        }
        vm.prank(delegatorA);
        vault.undelegate(trainerA, 1);

        assertEq(vault.delegationOf(delegatorA, trainerA), 0, "all stake left");
        assertEq(
            distributor.claimableOperator(trainerA) + distributor.claimableDelegator(delegatorA, trainerA),
            9,
            "ten units earned, one paid"
        );
    }

    /// @dev The same at everyday prices and stakes, forty times over.
    function test_tableChange_afterEveryClaim_keepsEveryClaimWithinWhatWasEarned() public {
        ModelId first = register("first", flat(1e15 + 1, 300_000, 200_000));
        ModelId second = register("second", flat(1e15 + 1, 300_000, 200_000));
        _alone(first, 1);
        _alone(second, 1);
        stake(trainerA, 3e21 + 7, 400_000);
        delegate(delegatorA, trainerA, 1e21);

        for (uint256 i; i < 40; ++i) {
            uint256 price = 1e15 + 7_919 * i;
            modelId = first;
            earn(flat(uint96(price), 300_000, 200_000));
            modelId = second;
            answer(ask());
            claimDelegator(delegatorA, trainerA);
            _alone(first, uint64(i + 2));
            assertLe(distributor.claimableDelegator(delegatorA, trainerA), 1, "no more than a remainder");
        }
    }

    /// @dev Rewards per delegated unit reach what the books have room for, with one unit delegated; then more is delegated,
    ///      so that what was left over before is more than there is room.
    function test_spread_withoutRoomForWhatWasLeftOver_stopsNoStake() public {
        uint256 most = type(uint144).max;
        uint256 first = most / 1e18;
        uint256 rest = most - first * 1e18;
        modelId = register("dear", flat(uint96(first), 1_000_000, 0));
        _alone(modelId, 1);
        stake(trainerA, 0, 0);
        delegate(delegatorA, trainerA, 1);
        earn(flat(uint96(first), 1_000_000, 0));
        delegate(delegatorA, trainerA, 3e18 - 1);
        earn(flat(uint96(3 * rest + 1), 1_000_000, 0));
        uint256 before = _dueToAll();

        vm.prank(trainerA);
        vault.setSigma(0);
        vm.prank(delegatorA);
        vault.undelegate(trainerA, 1);
        delegate(delegatorA, trainerA, 1);
        answer(ask());
        vm.prank(delegatorA);
        vault.undelegate(trainerA, 3e18);

        uint256 earned = 3 * rest + 1;
        assertLe(_dueToAll(), before + earned, "no more than was earned");
        // The carry and a delegator's fraction, below a unit each for one delegated unit of 1e18.
        assertGe(_dueToAll() + 4, before + earned, "no less, but for remainders");
    }

    /// @dev All of every fee is the contributors', in halves, and fees are odd: floors side by side would grow by a unit more
    ///      than the second fee.
    function test_delivery_ofAModelThatKeepsNothing_isAccepted() public {
        earn(flat(1e15 + 1, 500_000, 500_000));
        earn(flat(1e15 + 1, 500_000, 500_000));

        assertEq(distributor.claimableHost(modelId), 0, "nothing is the host's");
    }

    /// @dev The host has a third of a unit of each fee, and claims it as soon as it is whole.
    function test_delivery_atAFewUnits_leavesTheHostWhatItClaimed() public {
        uint256 claimed;
        for (uint256 i; i < 50; ++i) {
            earn(flat(7, 597_959, 358_075));
            if (distributor.claimableHost(modelId) != 0) claimed += distributor.claimHost(one(modelId), address(0));
        }

        assertEq(claimed, 16, "7 x 50 less floor(7 x 50 x 956,034 ppm)");
    }

    /// @dev One operator alone in two models, half of two delegated units' rewards to the delegator, who claims its part of
    ///      both before one model's table ends.
    function _claimAheadOfATableChange() private {
        ModelId ends = register("ends", flat(1, 1_000_000, 0));
        ModelId stays = register("stays", flat(1, 1_000_000, 0));
        _alone(ends, 1);
        _alone(stays, 1);
        stake(trainerA, 0, 500_000);
        delegate(delegatorA, trainerA, 2);
        modelId = ends;
        answer(ask());
        modelId = stays;
        answer(ask());
        claimDelegator(delegatorA, trainerA);
        attest(table(ends, nobody(), nobody(), 2));
    }

    function _alone(ModelId id, uint64 nonce) private {
        IRewardDistributor.Contributor[] memory members = contributors(one(trainerA), one(uint32(1)));
        attest(table(id, members, nobody(), nonce));
    }

    function _dueToAll() private view returns (uint256) {
        return distributor.claimableOperator(trainerA) + distributor.claimableDelegator(delegatorA, trainerA);
    }
}
