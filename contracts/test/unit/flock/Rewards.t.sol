// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {ModelId} from "../../../src/types/ModelId.sol";
import {Terms} from "../../../src/types/Usage.sol";
import {ContributorTest} from "../../mocks/ContributorTest.sol";

/// @title Who earns what, worked out a second time and after FLock's documents.
contract RewardsTest is ContributorTest {
    /// Two training nodes, two validators, three delegators, three values of sigma; five answers; everyone claims.
    /// Each expected amount is worked out here from the sum of fees, without the contract's accumulators.
    function test_claims_matchAnIndependentComputation() public {
        stake(trainerA, 3_000e18, 400_000);
        stake(trainerB, 500e18, 1_000_000);
        stake(validatorA, 100e18, 0);
        stake(validatorB, 0, 123_457);
        delegate(delegatorA, trainerA, 1_000e18);
        delegate(delegatorB, trainerA, 333e18);
        delegate(delegatorB, validatorA, 77e18);
        delegate(delegatorC, validatorB, 5e18);
        delegate(delegatorC, trainerB, 1e18);
        for (uint256 i; i < 5; ++i) {
            answer(ask());
        }

        (uint256 trainingFees, uint256 validatorFees) = split(5 * FEE);
        uint256 hostFees = 5 * FEE - trainingFees - validatorFees;
        uint256 earnedTrainerA = trainingFees * 7 / 9;
        uint256 earnedTrainerB = trainingFees * 2 / 9;
        uint256 earnedValidatorA = validatorFees * 3 / 4;
        uint256 earnedValidatorB = validatorFees * 1 / 4;
        uint256 poolTrainerA = earnedTrainerA * 600_000 * 1_333 / (1e6 * uint256(4_333));
        uint256 poolValidatorA = earnedValidatorA * 77 / 177;
        uint256 poolValidatorB = earnedValidatorB * 876_543 / 1e6;

        assertEq(distributor.claimableHost(modelId), hostFees, "host");
        _claimsOperator(trainerA, earnedTrainerA - poolTrainerA);
        _claimsOperator(trainerB, earnedTrainerB);
        _claimsOperator(validatorA, earnedValidatorA - poolValidatorA);
        _claimsOperator(validatorB, earnedValidatorB - poolValidatorB);
        uint256 scale = 1e18;
        _claimsDelegator(delegatorA, one(trainerA), 1_000e18 * (poolTrainerA * scale / 1_333e18) / scale);
        _claimsDelegator(
            delegatorB,
            two(trainerA, validatorA),
            333e18 * (poolTrainerA * scale / 1_333e18) / scale + 77e18 * (poolValidatorA * scale / 77e18) / scale
        );
        _claimsDelegator(delegatorC, two(trainerB, validatorB), 5e18 * (poolValidatorB * scale / 5e18) / scale);
        vm.prank(host);
        distributor.claimHost(one(modelId), address(0));
        assertEq(token.balanceOf(host), hostFees, "host is paid without a fee");

        distributor.withdrawBalance(requester, address(0));
        distributor.payTreasury();
        // The carry of each operator is below one unit per delegated token: 1,333 + 77 + 5 + 1.
        assertLe(distributor.reserves(), 1_416 + 11, "what is left is carries, and a unit for each who rounded down");
        assertEq(token.balanceOf(address(distributor)), distributor.reserves(), "and it is there");
    }

    /// Vector T5 of FLock's documents: reward 58,084 split with sigma 0.4, own 3,000, delegated 1,000.
    function test_claims_followFlocksDocumentedExample() public {
        ModelId id = register("documented", flat(58_084e18, 1_000_000, 0));
        attest(table(id, contributors(one(trainerA), one(uint32(1))), nobody(), 1));
        stake(trainerA, 3_000e18, 400_000);
        delegate(delegatorA, trainerA, 1_000e18);
        modelId = id;

        answer(ask());

        assertEq(distributor.claimableOperator(trainerA), 49_371.4e18, "node");
        assertEq(distributor.claimableDelegator(delegatorA, trainerA), 8_712.6e18, "delegators");
    }

    /// Vector T6: claim fees of 8 % and 14.5 %, and a reward of 7 base units.
    function test_claimFees_followFlocksVectors() public {
        attest(table(modelId, contributors(one(trainerA), one(uint32(1))), nobody(), 2));
        earn(flat(1_234_567_890_123_456_789_012, 1_000_000, 0));
        vm.prank(trainerA);
        assertEq(
            distributor.claimOperator(one(trainerA), address(0)), 1_135_802_458_913_580_245_892, "net of 8 %"
        );
        assertEq(distributor.treasuryOwed(), 98_765_431_209_876_543_120, "8 %");
        earn(flat(7, 1_000_000, 0));
        assertEq(distributor.claimOperator(one(trainerA), address(0)), 7, "no fee on 7 units");
    }

    function testFuzz_fee_isTheSumOfItsParts(uint96 requestPrice, uint24 trainingPpm, uint24 validatorPpm) public {
        Terms memory t = terms();
        t.requestPrice = requestPrice;
        t.trainingPpm = uint24(bound(trainingPpm, 0, 1_000_000));
        t.validatorPpm = uint24(bound(validatorPpm, 0, 1_000_000 - t.trainingPpm));
        vm.prank(host);
        models.updateTerms(modelId, t);
        token.mint(requester, type(uint128).max);

        answer(ask());

        uint256 fee = requestPrice + FEE - 1e15;
        (uint256 training, uint256 validators) = split(fee, t.trainingPpm, t.validatorPpm);
        assertEq(distributor.claimableHost(modelId), fee - training - validators, "host has the rest");
        assertLe(
            training - (distributor.claimableOperator(trainerA) + distributor.claimableOperator(trainerB)),
            1,
            "training nodes share theirs"
        );
        assertLe(
            validators - (distributor.claimableOperator(validatorA) + distributor.claimableOperator(validatorB)),
            1,
            "and validators theirs"
        );
        assertEq(
            distributor.balanceOf(requester) + fee, distributor.reserves(), "nothing is lost and nothing made"
        );
    }

    function _claimsOperator(address operator, uint256 gross) private {
        assertEq(distributor.claimableOperator(operator), gross, "claimable by operator");
        distributor.claimOperator(one(operator), address(0));
        assertEq(token.balanceOf(operator), gross - ppm(gross, 80_000), "8 % claim fee");
    }

    function _claimsDelegator(address delegator, address[] memory operators, uint256 gross) private {
        uint256 claimFee;
        uint256 sum;
        for (uint256 i; i < operators.length; ++i) {
            uint256 due = distributor.claimableDelegator(delegator, operators[i]);
            sum += due;
            claimFee += ppm(due, 145_000);
        }
        assertEq(sum, gross, "claimable by delegator");
        distributor.claimDelegator(delegator, operators, address(0));
        assertEq(token.balanceOf(delegator), gross - claimFee, "14.5 % claim fee");
    }
}
