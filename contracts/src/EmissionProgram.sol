// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IEmissionProgram} from "./interfaces/IEmissionProgram.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {IStakeVault} from "./interfaces/IStakeVault.sol";
import {EmissionLib} from "./libraries/EmissionLib.sol";
import {RewardLib} from "./libraries/RewardLib.sol";

/// @title EmissionProgram
/// @dev Deliveries and claims of fees know nothing of it but which epochs have emissions. Everything here is worked out
///      afterwards from what the distributor counted and the vault kept.
contract EmissionProgram is IEmissionProgram {
    using SafeTransferLib for address;

    /// @inheritdoc IEmissionProgram
    address public immutable PAYMENT_TOKEN;

    /// @inheritdoc IEmissionProgram
    address public immutable DISTRIBUTOR;

    /// @inheritdoc IEmissionProgram
    address public immutable VAULT;

    /// @inheritdoc IEmissionProgram
    uint256 public immutable GAMMA_PPM;

    struct Totals {
        uint128 reserves;
        uint128 treasuryOwed;
    }

    struct Pool {
        uint128 amount;
        uint128 settledUnits;
    }

    /// @dev What was paid of one operator's part: its own, and for how much of the stake delegated to it.
    struct Payments {
        uint128 delegation;
        bool operator;
    }

    /// @dev How a share is settled. `units` is 0 when there are none, or they were settled before.
    struct Plan {
        Settlement settlement;
        uint256 leftOver;
        uint256 units;
    }

    /// @dev What a delegator has of a share, and the stake that it has it for.
    struct Due {
        uint256 amount;
        uint256 delegation;
    }

    Totals internal totals;
    mapping(uint256 epoch => Pool pool) internal pools;
    mapping(uint256 tableId => mapping(uint256 epoch => Settlement settlement)) internal settlements;
    mapping(bytes32 shareAndOperator => Payments payments) internal paymentsOf;
    mapping(bytes32 shareAndOperator => mapping(address delegator => bool paid)) internal isDelegatorPaid;

    /// @dev Created by the distributor, which is the sender.
    constructor(address paymentToken, address vault, uint256 gammaPpm) {
        if (gammaPpm > EmissionLib.PPM / 2) revert GammaInvalid(gammaPpm);
        PAYMENT_TOKEN = paymentToken;
        DISTRIBUTOR = msg.sender;
        VAULT = vault;
        GAMMA_PPM = gammaPpm;
    }

    /// @inheritdoc IEmissionProgram
    function fund(uint256 firstEpoch, uint256 count, uint256 amountEach) external {
        if (amountEach == 0 || count == 0) revert AmountInvalid(0);
        if (firstEpoch <= _today() || firstEpoch > type(uint16).max) revert EpochInvalid(firstEpoch);
        if (count > type(uint16).max - firstEpoch) revert EpochInvalid(type(uint16).max);
        if (amountEach > type(uint104).max / count) revert AmountInvalid(amountEach);
        for (uint256 i; i < count; ++i) {
            _addToPool(firstEpoch + i, msg.sender, amountEach);
        }
        uint256 amount = amountEach * count;
        uint256 held = PAYMENT_TOKEN.balanceOf(address(this));
        PAYMENT_TOKEN.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = PAYMENT_TOKEN.balanceOf(address(this)) - held;
        if (received != amount) revert TokenUnsupported(amount, received);
        totals.reserves += uint128(amount);
    }

    /// @inheritdoc IEmissionProgram
    function settle(Share calldata share) external {
        _settle(share);
    }

    /// @inheritdoc IEmissionProgram
    function rollOver(uint256 epoch) external {
        if (epoch >= _today()) revert EpochNotOver(epoch);
        if (IRewardDistributor(DISTRIBUTOR).unitsIn(epoch) != 0) revert EpochUsed(epoch);
        uint256 amount = pools[epoch].amount;
        if (amount == 0) revert NothingToClaim();
        pools[epoch].amount = 0;
        _addToPool(_today() + 1, address(this), amount);
    }

    /// @inheritdoc IEmissionProgram
    function claimOperator(address operator, Share[] calldata shares, address to) external returns (uint256 paid) {
        address receiver = _receiver(operator, to);
        uint256 gross;
        for (uint256 i; i < shares.length; ++i) {
            Settlement memory settlement = _settle(shares[i]);
            gross += _operatorDue(operator, shares[i], settlement);
            paymentsOf[_key(shares[i], operator)].operator = true;
        }
        if (gross == 0) revert NothingToClaim();
        uint256 claimFee = RewardLib.ppmDown(gross, _claimFees().operatorPpm);
        emit OperatorClaimed(operator, receiver, gross - claimFee, claimFee);
        return _pay(receiver, gross, claimFee);
    }

    /// @inheritdoc IEmissionProgram
    function claimDelegator(address delegator, address operator, Share[] calldata shares, address to)
        external
        returns (uint256 paid)
    {
        address receiver = _receiver(delegator, to);
        uint256 gross;
        uint256 delegationSum;
        for (uint256 i; i < shares.length; ++i) {
            Settlement memory settlement = _settle(shares[i]);
            Due memory due = _delegatorDue(delegator, operator, shares[i], settlement);
            bytes32 key = _key(shares[i], operator);
            gross += due.amount;
            delegationSum += due.delegation;
            paymentsOf[key].delegation += uint128(due.delegation);
            isDelegatorPaid[key][delegator] = true;
        }
        // A part that is less than a unit is marked as paid too: the unit is then the next delegator's.
        if (delegationSum == 0) revert NothingToClaim();
        uint256 claimFee = RewardLib.ppmDown(gross, _claimFees().delegatorPpm);
        emit DelegatorClaimed(delegator, operator, receiver, gross - claimFee, claimFee);
        return _pay(receiver, gross, claimFee);
    }

    /// @inheritdoc IEmissionProgram
    function payTreasury() external returns (uint256 paid) {
        paid = totals.treasuryOwed;
        if (paid == 0) revert NothingToClaim();
        totals.treasuryOwed = 0;
        address receiver = IRewardDistributor(DISTRIBUTOR).treasury();
        emit TreasuryPaid(receiver, paid);
        _pay(receiver, paid, 0);
    }

    /// @inheritdoc IEmissionProgram
    function poolOf(uint256 epoch) external view returns (uint256 amount, uint256 settledUnits) {
        return (pools[epoch].amount, pools[epoch].settledUnits);
    }

    /// @inheritdoc IEmissionProgram
    function shareOf(Share calldata share) external view returns (Settlement memory settlement, uint256 leftOver) {
        Plan memory plan = _plan(share);
        return (plan.settlement, plan.leftOver);
    }

    /// @inheritdoc IEmissionProgram
    function claimableOperator(address operator, Share calldata share) external view returns (uint256) {
        return _operatorDue(operator, share, _plan(share).settlement);
    }

    /// @inheritdoc IEmissionProgram
    function claimableDelegator(address delegator, address operator, Share calldata share)
        external
        view
        returns (uint256)
    {
        return _delegatorDue(delegator, operator, share, _plan(share).settlement).amount;
    }

    /// @inheritdoc IEmissionProgram
    function capPpm(uint256 epoch) external view returns (uint256) {
        return _capPpm(epoch);
    }

    /// @inheritdoc IEmissionProgram
    function reserves() external view returns (uint256) {
        return totals.reserves;
    }

    /// @inheritdoc IEmissionProgram
    function treasuryOwed() external view returns (uint256) {
        return totals.treasuryOwed;
    }

    function _today() internal view returns (uint256) {
        return block.timestamp / 1 days;
    }

    /// @dev Fees of a day's usage can be claimed from that day on, and at any rate that was in force since.
    function _capPpm(uint256 epoch) internal view returns (uint256) {
        return IRewardDistributor(DISTRIBUTOR).lowestClaimFeeSince(epoch);
    }

    function _claimFees() internal view returns (IRewardDistributor.ClaimFees memory) {
        return IRewardDistributor(DISTRIBUTOR).claimFees();
    }

    function _key(Share memory share, address operator) internal pure returns (bytes32) {
        return keccak256(abi.encode(share, operator));
    }

    function _addToPool(uint256 epoch, address funder, uint256 amount) internal {
        pools[epoch].amount += uint128(amount);
        IRewardDistributor(DISTRIBUTOR).noteFundedEpoch(epoch);
        emit EpochFunded(epoch, funder, amount);
    }

    function _settle(Share memory share) internal returns (Settlement memory settlement) {
        Plan memory plan = _plan(share);
        settlement = plan.settlement;
        if (plan.units == 0) return settlement;
        settlements[share.tableId][share.epoch] = settlement;
        pools[share.epoch].settledUnits += uint128(plan.units);
        emit ShareSettled(share.tableId, share.epoch, settlement.training, settlement.validators, plan.leftOver);
        if (plan.leftOver != 0) _addToPool(_today() + 1, address(this), plan.leftOver);
    }

    function _plan(Share memory share) internal view returns (Plan memory plan) {
        plan.settlement = settlements[share.tableId][share.epoch];
        if (plan.settlement.isSettled) return plan;
        if (share.epoch >= _today()) revert EpochNotOver(share.epoch);
        plan.units = IRewardDistributor(DISTRIBUTOR).unitsOf(share.tableId, share.epoch);
        if (plan.units == 0) return plan;
        Pool memory pool = pools[share.epoch];
        uint256 emission = EmissionLib.shareDown(
            pool.amount, pool.settledUnits, plan.units, IRewardDistributor(DISTRIBUTOR).unitsIn(share.epoch)
        );
        uint256 cap = RewardLib.ppmDown(plan.units, _capPpm(share.epoch));
        if (emission > cap) (emission, plan.leftOver) = (cap, emission - cap);
        uint256 training = _trainingPart(share, emission);
        plan.settlement = Settlement(uint104(training), uint104(emission - training), true);
    }

    /// @dev A role without members leaves all to the other.
    function _trainingPart(Share memory share, uint256 emission) internal view returns (uint256) {
        (
            IRewardDistributor.Contributor[] memory training,
            IRewardDistributor.Contributor[] memory validators
        ) = IRewardDistributor(DISTRIBUTOR).membersOf(share.tableId);
        if (training.length == 0) return 0;
        if (validators.length == 0) return emission;
        return EmissionLib.trainingPartDown(
            emission, GAMMA_PPM, _stakeOf(training, share.epoch), _stakeOf(validators, share.epoch)
        );
    }

    function _stakeOf(IRewardDistributor.Contributor[] memory members, uint256 epoch)
        internal
        view
        returns (uint256 sum)
    {
        for (uint256 i; i < members.length; ++i) {
            IStakeVault.Stake memory stake = IStakeVault(VAULT).stakeAt(members[i].account, epoch);
            sum += uint256(stake.own) + stake.delegated;
        }
    }

    /// @dev An operator's part of a share in both roles, split with its delegators.
    function _partsOf(address operator, Share memory share, Settlement memory settlement)
        internal
        view
        returns (uint256 operatorPart, uint256 delegatorsPart, uint256 delegated)
    {
        (
            IRewardDistributor.Contributor[] memory training,
            IRewardDistributor.Contributor[] memory validators
        ) = IRewardDistributor(DISTRIBUTOR).membersOf(share.tableId);
        uint256 part = EmissionLib.memberPart(settlement.training, training, operator)
            + EmissionLib.memberPart(settlement.validators, validators, operator);
        if (part == 0) return (0, 0, 0);
        IStakeVault.Stake memory stake = IStakeVault(VAULT).stakeAt(operator, share.epoch);
        delegated = stake.delegated;
        delegatorsPart = RewardLib.delegatorsPartDown(part, stake.sigmaPpm, stake.own, delegated);
        operatorPart = part - delegatorsPart;
    }

    function _operatorDue(address operator, Share memory share, Settlement memory settlement)
        internal
        view
        returns (uint256 due)
    {
        if (paymentsOf[_key(share, operator)].operator) return 0;
        (due,,) = _partsOf(operator, share, settlement);
    }

    /// @dev A difference of floors over the delegated stake that was paid, so that all parts sum up to the whole.
    function _delegatorDue(address delegator, address operator, Share memory share, Settlement memory settlement)
        internal
        view
        returns (Due memory due)
    {
        bytes32 key = _key(share, operator);
        if (isDelegatorPaid[key][delegator]) return due;
        (, uint256 part, uint256 delegated) = _partsOf(operator, share, settlement);
        if (part == 0) return due;
        due.delegation = IStakeVault(VAULT).delegationAt(delegator, operator, share.epoch);
        due.amount = EmissionLib.shareDown(part, paymentsOf[key].delegation, due.delegation, delegated);
    }

    /// @dev Anyone may have a beneficiary paid at its own address; only the beneficiary may name another.
    function _receiver(address beneficiary, address to) internal view returns (address) {
        if (to == address(0)) return beneficiary;
        if (beneficiary != msg.sender) revert NotBeneficiary(beneficiary, msg.sender);
        return to;
    }

    /// @dev All books are settled before this call. The claim fee stays in reserves, owed to the treasury.
    function _pay(address receiver, uint256 gross, uint256 claimFee) internal returns (uint256 net) {
        net = gross - claimFee;
        if (net == 0) return 0;
        Totals memory current = totals;
        current.reserves -= uint128(net);
        current.treasuryOwed += uint128(claimFee);
        totals = current;
        PAYMENT_TOKEN.safeTransfer(receiver, net);
    }
}
