// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {RewardLib} from "../../../src/libraries/RewardLib.sol";
import {Test} from "../../utils/Test.sol";

/// @title The arithmetic of rewards in the ranges of the books: amounts below 2^104, stake below 2^96, weights below 2^24.
contract RewardLibTest is Test {
    uint256 internal constant SCALE = 1e18;
    uint256 internal constant MAX_PER_SHARE = type(uint144).max;

    /// Vector T12 of FLock's documents, where it is about one operator and its delegators.
    function test_delegation_followsVectorT12() public pure {
        uint256 earned = 101_922_975_000_101_922_975;
        uint256 part = RewardLib.delegatorsPartDown(earned, 400_000, 3_000e18, 1_000e18);
        assertEq(part, 15_288_446_250_015_288_446, "delegators");
        assertEq(earned - part, 86_634_528_750_086_634_529, "node");
        (uint256 spread, uint256 perShare, uint256 carry) = RewardLib.spreadDown(part, 0, 0, 1_000e18);
        assertEq(spread, part, "all of it");
        assertEq(perShare, 15_288_446_250_015_288, "per share");
        assertEq(250e18 * perShare / 1e18, 3_822_111_562_503_822_000, "250 shares");
        assertEq(750e18 * perShare / 1e18, 11_466_334_687_511_466_000, "750 shares");
        assertEq(carry / 1e18, 446, "kept for the next reward");
    }

    function testFuzz_ppmDown_isTheFloor(uint104 amount, uint256 ppm) public pure {
        ppm = bound(ppm, 0, 1_000_000);
        uint256 part = RewardLib.ppmDown(amount, ppm);
        assertLe(part * 1_000_000, uint256(amount) * ppm, "not more");
        assertTrue((part + 1) * 1_000_000 > uint256(amount) * ppm, "not a unit less");
    }

    function testFuzz_splitDown_dividesWhatBothRolesHave(uint104 fees, uint256 trainingPpm, uint256 validatorPpm)
        public
        pure
    {
        trainingPpm = bound(trainingPpm, 0, 1_000_000);
        validatorPpm = bound(validatorPpm, 0, 1_000_000 - trainingPpm);
        (uint256 training, uint256 validators) = RewardLib.splitDown(fees, trainingPpm, validatorPpm);

        assertEq(training + validators, uint256(fees) * (trainingPpm + validatorPpm) / 1_000_000, "both, rounded down");
        assertLe(training * 1_000_000, fees * trainingPpm, "training nodes have no more than their part");
        assertTrue((training + 2) * 1_000_000 > fees * trainingPpm, "and less by no more than two units");
        if (trainingPpm == 0) assertEq(training, 0, "no part");
        if (validatorPpm == 0) assertEq(validators, 0, "no part");
    }

    /// What a page's parts grow by is what a fee brings, so none may fall, and all must fit into the fee.
    function testFuzz_splitDown_neverFallsForAnybody(
        uint104 fees,
        uint104 fee,
        uint256 trainingPpm,
        uint256 validatorPpm
    ) public pure {
        trainingPpm = bound(trainingPpm, 0, 1_000_000);
        validatorPpm = bound(validatorPpm, 0, 1_000_000 - trainingPpm);
        // Small fees are those that floors swallow.
        if (fees % 2 == 0) fee %= 8;
        if (fees % 3 == 0) validatorPpm = 1_000_000 - trainingPpm;
        (uint256 training, uint256 validators) = RewardLib.splitDown(fees, trainingPpm, validatorPpm);
        (uint256 moreTraining, uint256 moreValidators) =
            RewardLib.splitDown(uint256(fees) + fee, trainingPpm, validatorPpm);

        assertGe(moreTraining, training, "training nodes");
        assertGe(moreValidators, validators, "validators");
        assertLe(moreTraining - training + moreValidators - validators, fee, "host");
    }

    function testFuzz_earnedDown_isTheFloorOfWhatIsDueHoweverOftenItIsSettled(
        uint104 fees,
        uint104 between,
        uint24 weight,
        uint24 totalWeight
    ) public pure {
        totalWeight = uint24(bound(totalWeight, 1, type(uint24).max));
        weight = uint24(bound(weight, 0, totalWeight));
        between = uint104(bound(between, 0, fees));
        uint256 inTwoSteps = RewardLib.earnedDown(0, between, weight, totalWeight)
            + RewardLib.earnedDown(between, fees, weight, totalWeight);
        assertEq(inTwoSteps, uint256(fees) * weight / totalWeight, "floor");
    }

    function testFuzz_delegatorsPartDown_isTheFloor(uint104 reward, uint256 sigmaPpm, uint96 own, uint96 delegated)
        public
        pure
    {
        sigmaPpm = bound(sigmaPpm, 0, 1_000_000);
        uint256 part = RewardLib.delegatorsPartDown(reward, sigmaPpm, own, delegated);
        assertLe(part, reward, "part");
        if (sigmaPpm == 1_000_000 || delegated == 0) assertEq(part, 0, "operator keeps all");
        if (sigmaPpm == 0 && own == 0 && delegated != 0) assertEq(part, reward, "delegators get all");
        uint256 whole = 1_000_000 * (uint256(own) + delegated);
        uint256 due = uint256(reward) * (1_000_000 - sigmaPpm) * delegated;
        assertLe(part * whole, due, "not more");
        assertTrue(delegated == 0 || (part + 1) * whole > due, "not a unit less");
    }

    function test_spreadDown_ofNothingChangesNothing() public pure {
        (uint256 spread, uint256 perShare, uint256 carry) = RewardLib.spreadDown(0, 7, 9, 0);
        assertEq(spread, 0, "spread");
        assertEq(perShare, 7, "per share");
        assertEq(carry, 9, "carry");
    }

    function testFuzz_spreadDown_losesNothingWithinItsRange(uint104 part, uint96 carry, uint96 delegated) public pure {
        part = uint104(bound(part, 1, type(uint104).max));
        // At most 2e25 base units for each delegated.
        uint256 least = uint256(part) * SCALE / MAX_PER_SHARE + 2;
        delegated = uint96(bound(delegated, least, type(uint96).max));
        carry = uint96(bound(carry, 0, delegated - 1));

        (uint256 spread, uint256 perShare, uint256 newCarry) = RewardLib.spreadDown(part, 0, carry, delegated);

        assertEq(spread, part, "all of it");
        assertEq(perShare * delegated + newCarry, uint256(part) * SCALE + carry, "all accounted for");
        assertTrue(newCarry < delegated, "carry");
    }

    function testFuzz_spreadDown_losesNothingBeyondItsRange(
        uint104 part,
        uint256 perShare,
        uint96 carry,
        uint96 delegated
    ) public pure {
        part = uint104(bound(part, 1, type(uint104).max));
        delegated = uint96(bound(delegated, 1, type(uint96).max));
        // Room for less than the part. A carry left from larger delegations may by itself be more than the room.
        uint256 room = (uint256(part) * SCALE + carry) / delegated;
        if (carry % 2 == 0) room = perShare % 4;
        perShare = bound(perShare, room < MAX_PER_SHARE ? MAX_PER_SHARE - room : 0, MAX_PER_SHARE);

        (uint256 spread, uint256 newPerShare, uint256 newCarry) =
            RewardLib.spreadDown(part, perShare, carry, delegated);

        assertLe(spread, part, "not more than there is");
        assertLe(newPerShare, MAX_PER_SHARE, "in range");
        assertGe(newPerShare, perShare, "never less");
        assertEq(
            (newPerShare - perShare) * delegated + newCarry + (part - spread) * SCALE,
            uint256(part) * SCALE + carry,
            "all accounted for"
        );
    }

    function test_spreadDown_keepsWhatIsLeftOverWhenItEndsAtTheEndOfItsRange() public pure {
        (uint256 spread, uint256 perShare, uint256 carry) = RewardLib.spreadDown(15, MAX_PER_SHARE - 1, 0, 10 * SCALE);

        assertEq(spread, 15, "all of it");
        assertEq(perShare, MAX_PER_SHARE, "the end itself");
        assertEq(carry, 5 * SCALE, "a third is left over for the next");
    }

    function test_spreadDown_fillsItsRangeToTheLastUnit() public pure {
        (uint256 spread, uint256 perShare, uint256 carry) = RewardLib.spreadDown(1, MAX_PER_SHARE - SCALE, 0, 1);
        assertEq(spread, 1, "fits");
        assertEq(perShare, MAX_PER_SHARE, "full");
        assertEq(carry, 0, "nothing over");

        (spread, perShare, carry) = RewardLib.spreadDown(5, MAX_PER_SHARE - 2 * SCALE, 0, 1);
        assertEq(spread, 2, "two of five fit");
        assertEq(perShare, MAX_PER_SHARE, "full");

        (spread, perShare, carry) = RewardLib.spreadDown(5, MAX_PER_SHARE, 0, 1);
        assertEq(spread, 0, "nothing fits");
        assertEq(perShare, MAX_PER_SHARE, "stays full");
    }

    /// A full book may hold a carry of more than one base unit.
    function test_spreadDown_spreadsNothingWhenItsCarryFillsTheRoom() public pure {
        (uint256 spread, uint256 perShare, uint256 carry) =
            RewardLib.spreadDown(10, MAX_PER_SHARE, 2 * SCALE, 5 * SCALE);
        assertEq(spread, 0, "the operator has all");
        assertEq(perShare, MAX_PER_SHARE, "full");
        assertEq(carry, 2 * SCALE, "stays");
    }

    /// A delegator is paid by what a settlement now would spread; a later one, with more, must not spread less.
    function testFuzz_spreadDown_neverFallsWhenThePartGrows(
        uint32 part,
        uint32 more,
        uint8 room,
        uint96 carry,
        uint96 delegated
    ) public pure {
        delegated = uint96(bound(delegated, 1, 1e20));
        carry = uint96(bound(carry, 0, 1e21));
        uint256 perShare = MAX_PER_SHARE - room % 8;
        (, uint256 first,) = RewardLib.spreadDown(part % 1_000, perShare, carry, delegated);
        (, uint256 second,) = RewardLib.spreadDown(part % 1_000 + uint256(more), perShare, carry, delegated);
        assertLe(first, second, "per share");
    }
}
