// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {IEmissionProgram} from "../../../src/interfaces/IEmissionProgram.sol";
import {IRewardDistributor} from "../../../src/interfaces/IRewardDistributor.sol";
import {ModelId} from "../../../src/types/ModelId.sol";
import {Terms} from "../../../src/types/Usage.sol";
import {FlockTest} from "../../utils/FlockTest.sol";

/// @title A funder of emissions, models of known units, contributors with stake.
/// @dev Days are constants here: the optimizer may read `block.timestamp` again after a `vm.warp`.
abstract contract EmissionSetup is FlockTest {
    /// @dev The UTC day on which every test begins: 1,700,000,000 / 86,400, rounded down.
    uint256 internal constant TODAY = 19_675;
    /// @dev The first day that can be funded.
    uint256 internal constant EPOCH = TODAY + 1;

    address internal funder = actor("funder");
    address internal trainerA = actor("training node A");
    address internal trainerB = actor("training node B");
    address internal trainerC = actor("training node C");
    address internal validatorA = actor("validator A");
    address internal validatorB = actor("validator B");
    address internal delegatorA = actor("delegator A");
    address internal delegatorB = actor("delegator B");

    function setUp() public virtual override {
        super.setUp();
        token.mint(funder, type(uint128).max);
        vm.prank(funder);
        token.approve(address(emissions), type(uint256).max);
        token.mint(requester, type(uint104).max);
    }

    function _fund(uint256 epoch, uint256 amount) internal {
        vm.prank(funder);
        emissions.fund(epoch, 1, amount);
    }

    function _beginDay(uint256 epoch) internal {
        vm.warp(epoch * 1 days);
    }

    /// @dev Every answer costs `price` and counts three quarters of it as units, rounded down by role.
    function _model(string memory name, uint96 price) internal returns (ModelId) {
        return _model(name, price, 500_000, 250_000);
    }

    function _model(string memory name, uint96 price, uint24 trainingPpm, uint24 validatorPpm)
        internal
        returns (ModelId)
    {
        return register(name, _terms(price, trainingPpm, validatorPpm));
    }

    function _terms(uint96 price, uint24 trainingPpm, uint24 validatorPpm) internal pure returns (Terms memory t) {
        t = terms();
        (t.requestPrice, t.promptPrice, t.completionPrice) = (price, 0, 0);
        (t.trainingPpm, t.validatorPpm) = (trainingPpm, validatorPpm);
    }

    function _use(ModelId id, uint256 answers) internal {
        modelId = id;
        for (uint256 i; i < answers; ++i) {
            answer(ask());
        }
    }

    function _setTable(
        ModelId id,
        IRewardDistributor.Contributor[] memory training,
        IRewardDistributor.Contributor[] memory validators
    ) internal returns (uint256 tableId) {
        (, uint64 nonce,,) = distributor.contributorsOf(id);
        IRewardDistributor.ContributorTable memory table_ = table(id, training, validators, nonce + 1);
        table_.expiry = type(uint40).max;
        attest(table_);
        (tableId,,,) = distributor.contributorsOf(id);
    }

    function _setTable(ModelId id, address trainer, address validator) internal returns (uint256 tableId) {
        return _setTable(id, _sole(trainer), _sole(validator));
    }

    function _sole(address account) internal pure returns (IRewardDistributor.Contributor[] memory) {
        return contributors(one(account), one(uint32(1)));
    }

    function _none() internal pure returns (IRewardDistributor.Contributor[] memory) {
        return new IRewardDistributor.Contributor[](0);
    }

    function _stake(address operator, uint256 amount, uint256 sigmaPpm) internal {
        vm.prank(operator);
        vault.setSigma(sigmaPpm);
        if (amount != 0) _addStake(operator, amount);
    }

    function _addStake(address operator, uint256 amount) internal {
        stakeToken.mint(operator, amount);
        vm.startPrank(operator);
        stakeToken.approve(address(vault), amount);
        vault.deposit(amount);
        vm.stopPrank();
    }

    function _delegate(address delegator, address operator, uint256 amount) internal {
        stakeToken.mint(delegator, amount);
        vm.startPrank(delegator);
        stakeToken.approve(address(vault), amount);
        vault.delegate(operator, amount);
        vm.stopPrank();
    }

    function _setClaimFees(uint24 operatorPpm, uint24 delegatorPpm) internal {
        vm.prank(owner);
        distributor.setClaimFees(IRewardDistributor.ClaimFees(0, operatorPpm, delegatorPpm));
    }

    function _share(uint256 tableId, uint256 epoch) internal pure returns (IEmissionProgram.Share memory) {
        return IEmissionProgram.Share(tableId, epoch);
    }

    function _shares(uint256 tableId, uint256 epoch) internal pure returns (IEmissionProgram.Share[] memory list) {
        list = new IEmissionProgram.Share[](1);
        list[0] = _share(tableId, epoch);
    }

    function _settle(uint256 tableId, uint256 epoch) internal returns (IEmissionProgram.Settlement memory settlement) {
        emissions.settle(_share(tableId, epoch));
        (settlement,) = emissions.shareOf(_share(tableId, epoch));
        assertTrue(settlement.isSettled, "settled");
    }

    function _assertSettlement(uint256 tableId, uint256 epoch, uint256 training, uint256 validators) internal view {
        (IEmissionProgram.Settlement memory settlement,) = emissions.shareOf(_share(tableId, epoch));
        assertEq(settlement.training, training, "training nodes");
        assertEq(settlement.validators, validators, "validators");
    }

    function _assertPool(uint256 epoch, uint256 amount, uint256 settledUnits) internal view {
        (uint256 actual, uint256 settled) = emissions.poolOf(epoch);
        assertEq(actual, amount, "pool");
        assertEq(settled, settledUnits, "settled units");
    }

    function _due(address operator, uint256 tableId, uint256 epoch) internal view returns (uint256) {
        return emissions.claimableOperator(operator, _share(tableId, epoch));
    }

    function _dueOf(address delegator, address operator, uint256 tableId, uint256 epoch)
        internal
        view
        returns (uint256)
    {
        return emissions.claimableDelegator(delegator, operator, _share(tableId, epoch));
    }
}
