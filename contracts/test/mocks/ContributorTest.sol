// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IRewardDistributor} from "../../src/interfaces/IRewardDistributor.sol";
import {ModelId} from "../../src/types/ModelId.sol";
import {Terms, UsageReceipt} from "../../src/types/Usage.sol";
import {FlockTest} from "../utils/FlockTest.sol";

/// @title A model with two training nodes (weights 7 and 2) and two validators (3 and 1), and people who delegate.
abstract contract ContributorTest is FlockTest {
    address internal trainerA = actor("training node A");
    address internal trainerB = actor("training node B");
    address internal validatorA = actor("validator A");
    address internal validatorB = actor("validator B");
    address internal delegatorA = actor("delegator A");
    address internal delegatorB = actor("delegator B");
    address internal delegatorC = actor("delegator C");

    /// @dev 17 prompt and 23 completion tokens at the prices of `terms`.
    uint256 internal constant FEE =
        1e15 + (17 * uint256(333_333_333_333_333_333) + 23 * uint256(777_777_777_777_777_777) + 999_999) / 1_000_000;

    function setUp() public virtual override {
        super.setUp();
        attest(
            table(
                modelId,
                contributors(two(trainerA, trainerB), two(uint32(7), uint32(2))),
                contributors(two(validatorA, validatorB), two(uint32(3), uint32(1))),
                1
            )
        );
    }

    function nobody() internal pure returns (IRewardDistributor.Contributor[] memory) {
        return new IRewardDistributor.Contributor[](0);
    }

    function ppm(uint256 amount, uint256 part) internal pure returns (uint256) {
        return amount * part / 1_000_000;
    }

    /// @dev Parts of both roles: what they have together, and of that what training nodes have, each rounded down.
    function split(uint256 fees, uint256 trainingPpm, uint256 validatorPpm)
        internal
        pure
        returns (uint256 training, uint256 validators)
    {
        uint256 both = ppm(fees, trainingPpm + validatorPpm);
        if (both != 0) training = both * trainingPpm / (trainingPpm + validatorPpm);
        validators = both - training;
    }

    /// @dev Parts of both roles by the split of `terms`.
    function split(uint256 fees) internal pure returns (uint256 training, uint256 validators) {
        return split(fees, 300_000, 200_000);
    }

    /// @dev Terms of a model whose answers cost `price` and no more; its fees go to training nodes and validators.
    function flat(uint96 price, uint24 trainingPpm, uint24 validatorPpm) internal pure returns (Terms memory t) {
        t = terms();
        (t.requestPrice, t.promptPrice, t.completionPrice) = (price, 0, 0);
        (t.trainingPpm, t.validatorPpm) = (trainingPpm, validatorPpm);
    }

    /// @dev Changes the model's terms and has it answered once.
    function earn(Terms memory t) internal {
        vm.prank(host);
        models.updateTerms(modelId, t);
        token.mint(requester, t.requestPrice);
        answer(ask());
    }

    /// @dev Has another model answered once.
    function answerBy(ModelId id) internal returns (UsageReceipt memory receipt) {
        ModelId present = modelId;
        modelId = id;
        receipt = answer(ask());
        modelId = present;
    }

    function stake(address operator, uint256 amount, uint256 sigmaPpm) internal {
        vm.prank(operator);
        vault.setSigma(sigmaPpm);
        if (amount != 0) addStake(operator, amount);
    }

    function addStake(address operator, uint256 amount) internal {
        vm.startPrank(operator);
        stakeToken.mint(operator, amount);
        stakeToken.approve(address(vault), amount);
        vault.deposit(amount);
        vm.stopPrank();
    }

    function delegate(address delegator, address operator, uint256 amount) internal {
        vm.startPrank(delegator);
        stakeToken.mint(delegator, amount);
        stakeToken.approve(address(vault), amount);
        vault.delegate(operator, amount);
        vm.stopPrank();
    }

    function claimOperator(address operator) internal returns (uint256) {
        return distributor.claimOperator(one(operator), address(0));
    }

    function claimDelegator(address delegator, address operator) internal returns (uint256) {
        return distributor.claimDelegator(delegator, one(operator), address(0));
    }
}
