// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {EIP712} from "solady/utils/EIP712.sol";
import {SSTORE2} from "solady/utils/SSTORE2.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {SignatureCheckerLib} from "solady/utils/SignatureCheckerLib.sol";
import {EmissionProgram} from "./EmissionProgram.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IRewardDistributor} from "./interfaces/IRewardDistributor.sol";
import {IStakeHook, IStakeVault} from "./interfaces/IStakeVault.sol";
import {EpochSet} from "./libraries/EpochSet.sol";
import {RewardLib} from "./libraries/RewardLib.sol";
import {TableLib} from "./libraries/TableLib.sol";
import {StakeVault} from "./StakeVault.sol";
import {ModelId} from "./types/ModelId.sol";
import {UsageMeter} from "./UsageMeter.sol";

/// @title RewardDistributor
/// @dev A delivery adds its fee to the model's page, one slot, and nothing else: what each role, contributor and delegator
///      has of it follows from the page when they are settled, whatever their number. A page holds the fees since its table
///      or its split changed. Contributors are settled when they claim or when their stake changes, delegators likewise.
contract RewardDistributor is IRewardDistributor, Ownable2Step, EIP712 {
    using EpochSet for EpochSet.Set;
    using SafeTransferLib for address;

    /// @inheritdoc IRewardDistributor
    uint256 public constant MAX_CLAIM_FEE_PPM = 200_000;

    /// @inheritdoc IRewardDistributor
    uint256 public constant MAX_CONTRIBUTORS = 64;

    /// @inheritdoc IRewardDistributor
    /// @dev Bounds the gas of a settlement: about 10,000 for each table with new fees.
    uint256 public constant MAX_TABLES_PER_OPERATOR = 128;

    /// @inheritdoc IRewardDistributor
    uint256 public constant MAX_LOCK = 30 days;

    /// @inheritdoc IRewardDistributor
    address public immutable PAYMENT_TOKEN;

    /// @inheritdoc IRewardDistributor
    address public immutable REGISTRY;

    /// @inheritdoc IRewardDistributor
    address public immutable METER;

    /// @inheritdoc IRewardDistributor
    address public immutable VAULT;

    /// @inheritdoc IRewardDistributor
    address public immutable EMISSIONS;

    /// @dev The claim fees that most claims need stand beside what every claim writes.
    struct Totals {
        uint104 reserves;
        uint104 treasuryOwed;
        uint24 operatorPpm;
        uint24 delegatorPpm;
    }

    /// @dev Fees of a model since its table or its split changed. `epoch` is that of the latest delivery; `isCounted` tells
    ///      whether its units are counted, `hasLedger` whether there were earlier pages under the same table.
    struct Page {
        uint104 fees;
        uint24 tableId;
        uint16 epoch;
        uint24 trainingPpm;
        uint24 validatorPpm;
        uint24 trainingTotal;
        uint24 validatorTotal;
        bool isCounted;
        bool hasLedger;
    }

    /// @dev Fees of each role of a table.
    struct RoleFees {
        uint104 training;
        uint104 validators;
    }

    /// @dev `base` is what earlier pages and tables left the host.
    struct HostBook {
        uint128 base;
        uint128 claimed;
    }

    /// @dev `members` holds the contributors as contract code; they stay when the table is replaced.
    struct Table {
        ModelId modelId;
        address members;
        uint64 nonce;
    }

    /// @dev An operator's weights in a table, and the role fees up to which it was settled.
    struct Entry {
        uint104 trainingSettled;
        uint104 validatorSettled;
        uint24 trainingWeight;
        uint24 validatorWeight;
    }

    /// @dev `carry` is what spreading over delegators left, in units of 1 / PER_SHARE_SCALE of a base unit: below the stake
    ///      delegated. `modelCount` is the length of the operator's list in `modelAt`. `isWaiting` tells whether rewards wait in
    ///      `waitingOf`; without it that slot holds what was paid before, which makes it cheap to use again.
    struct OperatorBook {
        uint144 perShare;
        uint96 carry;
        uint8 modelCount;
        bool isWaiting;
    }

    /// @dev Rewards that left their tables: `accrued` is the operator's own, `unshared` is still to be split with its
    ///      delegators. What an operator earned since its stake changed is split as one sum: split table by table it could
    ///      spread a unit less than a delegator's claim has taken for granted.
    struct Waiting {
        uint104 accrued;
        uint104 unshared;
    }

    /// @dev `fraction` counts 1 / PER_SHARE_SCALE of a base unit, so that nothing is lost between settlements;
    ///      `hasAccrued` tells whether whole units wait in `delegatorAccrued`, as with `isWaiting`.
    struct DelegatorBook {
        uint144 perShareSettled;
        uint64 fraction;
        bool hasAccrued;
    }

    /// @dev Claim fees of contributors that a day brought: the lowest of them, and the lower one that it ended with.
    struct FeeChange {
        uint16 epoch;
        uint24 lowestPpm;
        uint24 lastPpm;
    }

    Totals internal totals;
    FeeChange[] internal feeChanges;

    /// @inheritdoc IRewardDistributor
    address public treasury;
    uint24 internal hostClaimPpm;
    uint24 internal tableCount;

    /// @inheritdoc IRewardDistributor
    mapping(address account => bool allowed) public isAttester;

    EpochSet.Set internal fundedEpochs;

    /// @inheritdoc IRewardDistributor
    mapping(uint256 epoch => uint256 units) public unitsIn;

    mapping(address account => Balance balance) internal balances;
    mapping(ModelId modelId => Page page) internal pages;
    mapping(ModelId modelId => RoleFees fees) internal ledgers;
    mapping(ModelId modelId => HostBook book) internal hostBooks;
    mapping(ModelId modelId => uint256 units) internal unitsBefore;
    mapping(uint256 tableId => Table table) internal tables;
    mapping(uint256 tableId => mapping(uint256 epoch => uint256 units)) internal closedUnits;
    mapping(uint256 tableId => mapping(address operator => Entry entry)) internal entries;
    mapping(address operator => OperatorBook book) internal operatorBooks;
    mapping(address operator => Waiting waiting) internal waitingOf;
    mapping(address operator => mapping(uint256 index => ModelId modelId)) internal modelAt;
    mapping(address operator => mapping(address delegator => DelegatorBook book)) internal delegatorBooks;
    mapping(address operator => mapping(address delegator => uint256 amount)) internal delegatorAccrued;

    modifier onlyMeter() {
        if (msg.sender != METER) revert NotMeter(msg.sender);
        _;
    }

    /// @param gammaPpm least part of a model's emission for each of its two roles, in ppm; at most 500,000
    constructor(
        address owner_,
        address paymentToken,
        address stakeToken,
        address registry,
        address treasury_,
        uint256 gammaPpm
    ) Ownable(owner_) {
        if (paymentToken == address(0) || stakeToken == address(0) || registry == address(0)) revert AddressMissing();
        PAYMENT_TOKEN = paymentToken;
        REGISTRY = registry;
        address vault = address(new StakeVault(stakeToken));
        VAULT = vault;
        METER = address(new UsageMeter(IModelRegistry(registry)));
        EMISSIONS = address(new EmissionProgram(paymentToken, vault, gammaPpm));
        _setTreasury(treasury_);
        _setClaimFees(ClaimFees({hostPpm: 0, operatorPpm: 80_000, delegatorPpm: 145_000}));
    }

    /// @inheritdoc IRewardDistributor
    function takeEscrow(uint256 amount) external onlyMeter {
        _reserve(amount);
    }

    /// @inheritdoc IRewardDistributor
    function bookFee(
        ModelId modelId,
        uint256 fee,
        uint256 trainingPpm,
        uint256 validatorPpm,
        address requester,
        uint256 refund
    ) external onlyMeter returns (uint256 trainingPart, uint256 validatorPart) {
        Page memory page = pages[modelId];
        uint256 today = _today();
        if (page.epoch != today || page.trainingPpm != trainingPpm || page.validatorPpm != validatorPpm) {
            _turn(modelId, page, today, trainingPpm, validatorPpm);
        }
        (uint256 trainingBefore, uint256 validatorsBefore) = _partsDown(page);
        page.fees += uint104(fee);
        (trainingPart, validatorPart) = _partsDown(page);
        // Parts grow with fees, and all fees of a day fit a page many times over.
        unchecked {
            trainingPart -= trainingBefore;
            validatorPart -= validatorsBefore;
            if (page.isCounted) unitsIn[today] += trainingPart + validatorPart;
        }
        pages[modelId] = page;
        if (refund != 0) balances[requester].amount += uint104(refund);
    }

    /// @inheritdoc IRewardDistributor
    function refundEscrow(address requester, uint256 amount) external onlyMeter {
        balances[requester].amount += uint104(amount);
    }

    /// @inheritdoc IRewardDistributor
    function takeBalance(address requester, uint256 amount) external onlyMeter {
        uint256 held = balances[requester].amount;
        if (amount > held) revert BalanceInsufficient(requester, held, amount);
        balances[requester].amount = uint104(held - amount);
    }

    /// @inheritdoc IRewardDistributor
    function noteFundedEpoch(uint256 epoch) external {
        if (msg.sender != EMISSIONS) revert NotEmissions(msg.sender);
        fundedEpochs.insert(epoch);
    }

    /// @inheritdoc IStakeHook
    function beforeStakeChange(
        address operator,
        IStakeVault.Stake calldata stake,
        address delegator,
        uint256 delegation
    ) external returns (uint256 lastFundedEpoch) {
        if (msg.sender != VAULT) revert NotVault(msg.sender);
        uint256 earned = _earn(operator);
        if (earned != 0) _wait(operator, _shareOut(operator, earned, stake), 0);
        if (delegator != address(0)) _settleDelegator(delegator, operator, delegation);
        return fundedEpochs.latestUpTo(_today());
    }

    /// @inheritdoc IRewardDistributor
    function deposit(address account, uint256 amount) external {
        PAYMENT_TOKEN.safeTransferFrom(msg.sender, address(this), amount);
        _reserve(amount);
        balances[account].amount += uint104(amount);
        emit Deposited(account, msg.sender, amount);
    }

    /// @inheritdoc IRewardDistributor
    function lockBalance(uint40 until) external {
        Balance storage balance = balances[msg.sender];
        if (until < balance.lockedUntil) revert LockShortened(balance.lockedUntil);
        if (until > block.timestamp + MAX_LOCK) revert LockTooLong(block.timestamp + MAX_LOCK);
        balance.lockedUntil = until;
        emit BalanceLockSet(msg.sender, until);
    }

    /// @inheritdoc IRewardDistributor
    function setContributors(ContributorTable calldata table, address attester, bytes calldata signature) external {
        ModelId modelId = table.modelId;
        if (IModelRegistry(REGISTRY).hostOf(modelId) == address(0)) revert ModelUnknown(modelId);
        if (block.timestamp > table.expiry) revert AttestationExpired(table.expiry);
        Page memory page = pages[modelId];
        uint64 currentNonce = tables[page.tableId].nonce;
        if (table.nonce <= currentNonce) revert AttestationStale(table.nonce, currentNonce);
        if (
            !isAttester[attester]
                || !SignatureCheckerLib.isValidSignatureNowCalldata(attester, tableDigest(table), signature)
        ) revert AttestationInvalid(attester);
        uint256 trainingTotal = _checkRole(table.training);
        uint256 validatorTotal = _checkRole(table.validators);

        _closeTable(modelId, page);
        uint24 tableId = ++tableCount;
        page.tableId = tableId;
        page.trainingTotal = uint24(trainingTotal);
        page.validatorTotal = uint24(validatorTotal);
        _openUnits(modelId, page, _today());
        pages[modelId] = page;
        tables[tableId] = Table(modelId, SSTORE2.write(TableLib.pack(table.training, table.validators)), table.nonce);
        for (uint256 i; i < table.training.length; ++i) {
            Contributor calldata member = table.training[i];
            entries[tableId][member.account].trainingWeight = uint24(member.weight);
            _joinModel(member.account, modelId);
        }
        for (uint256 i; i < table.validators.length; ++i) {
            Contributor calldata member = table.validators[i];
            Entry storage entry = entries[tableId][member.account];
            entry.validatorWeight = uint24(member.weight);
            if (entry.trainingWeight == 0) _joinModel(member.account, modelId);
        }
        emit ContributorsSet(modelId, tableId, attester, table);
    }

    /// @inheritdoc IRewardDistributor
    function claimHost(ModelId[] calldata modelIds, address to) external returns (uint256 paid) {
        for (uint256 i; i < modelIds.length; ++i) {
            ModelId modelId = modelIds[i];
            address host = IModelRegistry(REGISTRY).hostOf(modelId);
            address receiver = _receiver(host, to);
            uint256 gross = claimableHost(modelId);
            if (gross == 0) continue;
            hostBooks[modelId].claimed += uint128(gross);
            uint256 claimFee = RewardLib.ppmDown(gross, hostClaimPpm);
            emit HostClaimed(modelId, host, receiver, gross - claimFee, claimFee);
            paid += _pay(receiver, gross, claimFee);
        }
        if (paid == 0) revert NothingToClaim();
    }

    /// @inheritdoc IRewardDistributor
    function claimOperator(address[] calldata operators, address to) external returns (uint256 paid) {
        for (uint256 i; i < operators.length; ++i) {
            address operator = operators[i];
            address receiver = _receiver(operator, to);
            uint256 earned = _earn(operator);
            uint256 gross = _takeAccrued(operator);
            if (earned != 0) gross += _shareOut(operator, earned, IStakeVault(VAULT).stakeOf(operator));
            if (gross == 0) continue;
            uint256 claimFee = RewardLib.ppmDown(gross, totals.operatorPpm);
            emit OperatorClaimed(operator, receiver, gross - claimFee, claimFee);
            paid += _pay(receiver, gross, claimFee);
        }
        if (paid == 0) revert NothingToClaim();
    }

    /// @inheritdoc IRewardDistributor
    /// @dev What the operator has not settled yet is worked out, not written: settling it later, with what comes after, never
    ///      spreads less, since a floor of a sum is not below the sum of floors.
    function claimDelegator(address delegator, address[] calldata operators, address to)
        external
        returns (uint256 paid)
    {
        address receiver = _receiver(delegator, to);
        uint256 claimPpm = totals.delegatorPpm;
        uint256 grossSum;
        uint256 claimFeeSum;
        for (uint256 i; i < operators.length; ++i) {
            uint256 gross = _takeDelegator(delegator, operators[i]);
            if (gross == 0) continue;
            uint256 claimFee = RewardLib.ppmDown(gross, claimPpm);
            emit DelegatorClaimed(delegator, operators[i], receiver, gross - claimFee, claimFee);
            grossSum += gross;
            claimFeeSum += claimFee;
        }
        if (grossSum == 0) revert NothingToClaim();
        paid = _pay(receiver, grossSum, claimFeeSum);
    }

    /// @inheritdoc IRewardDistributor
    function withdrawBalance(address account, address to) external returns (uint256 paid) {
        address receiver = _receiver(account, to);
        Balance storage balance = balances[account];
        uint256 amount = balance.amount;
        if (amount == 0) revert NothingToClaim();
        if (block.timestamp < balance.lockedUntil) revert BalanceLocked(balance.lockedUntil);
        balance.amount = 0;
        emit BalanceWithdrawn(account, receiver, amount);
        paid = _pay(receiver, amount, 0);
    }

    /// @inheritdoc IRewardDistributor
    function payTreasury() external returns (uint256 paid) {
        paid = totals.treasuryOwed;
        if (paid == 0) revert NothingToClaim();
        totals.treasuryOwed = 0;
        address receiver = treasury;
        emit TreasuryPaid(receiver, paid);
        _pay(receiver, paid, 0);
    }

    /// @inheritdoc IRewardDistributor
    function setClaimFees(ClaimFees calldata newFees) external onlyOwner {
        _setClaimFees(newFees);
    }

    /// @inheritdoc IRewardDistributor
    function setAttester(address attester, bool allowed) external onlyOwner {
        if (attester == address(0)) revert AddressMissing();
        isAttester[attester] = allowed;
        emit AttesterSet(attester, allowed);
    }

    /// @inheritdoc IRewardDistributor
    function setTreasury(address newTreasury) external onlyOwner {
        _setTreasury(newTreasury);
    }

    /// @inheritdoc IRewardDistributor
    function claimableOperator(address operator) external view returns (uint256) {
        OperatorBook memory book = operatorBooks[operator];
        uint256 earned = _unsettledOf(operator, book);
        (uint256 spread,,) = _spread(book, earned, IStakeVault(VAULT).stakeOf(operator));
        if (book.isWaiting) earned += waitingOf[operator].accrued;
        return earned - spread;
    }

    /// @inheritdoc IRewardDistributor
    function claimableDelegator(address delegator, address operator) external view returns (uint256) {
        (, uint256 dueScaled) = _dueNow(delegatorBooks[operator][delegator], delegator, operator);
        return dueScaled / RewardLib.PER_SHARE_SCALE;
    }

    /// @inheritdoc IRewardDistributor
    function balanceOf(address account) external view returns (uint256) {
        return balances[account].amount;
    }

    /// @inheritdoc IRewardDistributor
    function lockedUntil(address account) external view returns (uint256) {
        return balances[account].lockedUntil;
    }

    /// @inheritdoc IRewardDistributor
    function claimFees() external view returns (ClaimFees memory) {
        return ClaimFees(hostClaimPpm, totals.operatorPpm, totals.delegatorPpm);
    }

    /// @inheritdoc IRewardDistributor
    function lowestClaimFeeSince(uint256 epoch) external view returns (uint256 lowestPpm) {
        uint256 i = feeChanges.length;
        lowestPpm = MAX_CLAIM_FEE_PPM;
        while (i != 0) {
            FeeChange memory change = feeChanges[--i];
            if (change.epoch < epoch) return change.lastPpm < lowestPpm ? change.lastPpm : lowestPpm;
            if (change.lowestPpm < lowestPpm) lowestPpm = change.lowestPpm;
        }
    }

    /// @inheritdoc IRewardDistributor
    function reserves() external view returns (uint256) {
        return totals.reserves;
    }

    /// @inheritdoc IRewardDistributor
    function treasuryOwed() external view returns (uint256) {
        return totals.treasuryOwed;
    }

    /// @inheritdoc IRewardDistributor
    function contributorsOf(ModelId modelId)
        external
        view
        returns (uint256 tableId, uint64 nonce, Contributor[] memory training, Contributor[] memory validators)
    {
        tableId = pages[modelId].tableId;
        nonce = tables[tableId].nonce;
        (training, validators) = membersOf(tableId);
    }

    /// @inheritdoc IRewardDistributor
    function modelsOf(address operator) external view returns (ModelId[] memory modelIds) {
        modelIds = new ModelId[](operatorBooks[operator].modelCount);
        for (uint256 i; i < modelIds.length; ++i) {
            modelIds[i] = modelAt[operator][i];
        }
    }

    /// @inheritdoc IRewardDistributor
    function unitsOf(uint256 tableId, uint256 epoch) external view returns (uint256) {
        ModelId modelId = tables[tableId].modelId;
        Page memory page = pages[modelId];
        if (page.tableId != tableId || page.epoch != epoch || !page.isCounted) return closedUnits[tableId][epoch];
        return _units(_feesOf(modelId, page)) - unitsBefore[modelId];
    }

    /// @inheritdoc IRewardDistributor
    function domainSeparator() external view returns (bytes32) {
        return _domainSeparator();
    }

    /// @inheritdoc IRewardDistributor
    function claimableHost(ModelId modelId) public view returns (uint256) {
        Page memory page = pages[modelId];
        HostBook memory book = hostBooks[modelId];
        return uint256(book.base) + _hostPart(page) - book.claimed;
    }

    /// @inheritdoc IRewardDistributor
    function membersOf(uint256 tableId)
        public
        view
        returns (Contributor[] memory training, Contributor[] memory validators)
    {
        address members = tables[tableId].members;
        if (members == address(0)) return (training, validators);
        return TableLib.unpack(SSTORE2.read(members));
    }

    /// @inheritdoc IRewardDistributor
    function tableDigest(ContributorTable calldata table) public view returns (bytes32) {
        return _hashTypedData(TableLib.structHash(table));
    }

    function _domainNameAndVersion() internal pure override returns (string memory name, string memory version) {
        name = "FLock RewardDistributor";
        version = "1";
    }

    function _today() internal view returns (uint256) {
        return block.timestamp / 1 days;
    }

    /// @dev Begins a page when the split changed, and counts units anew when the day did. `page` is not written here.
    function _turn(ModelId modelId, Page memory page, uint256 today, uint256 trainingPpm, uint256 validatorPpm)
        internal
    {
        if (page.trainingPpm != trainingPpm || page.validatorPpm != validatorPpm) {
            (uint256 training, uint256 validators) = _partsDown(page);
            if (training + validators != 0) {
                ledgers[modelId].training += uint104(training);
                ledgers[modelId].validators += uint104(validators);
                page.hasLedger = true;
            }
            if (page.fees != 0) hostBooks[modelId].base += uint128(_hostPart(page));
            page.fees = 0;
            page.trainingPpm = uint24(trainingPpm);
            page.validatorPpm = uint24(validatorPpm);
        }
        if (page.epoch != today) {
            _closeUnits(modelId, page);
            _openUnits(modelId, page, today);
        }
    }

    function _closeUnits(ModelId modelId, Page memory page) internal {
        if (!page.isCounted) return;
        closedUnits[page.tableId][page.epoch] = _units(_feesOf(modelId, page)) - unitsBefore[modelId];
    }

    /// @dev An epoch is funded before it begins or not at all, so what is found here holds all day.
    function _openUnits(ModelId modelId, Page memory page, uint256 today) internal {
        page.epoch = uint16(today);
        page.isCounted = (page.trainingTotal | page.validatorTotal) != 0 && fundedEpochs.contains(today);
        if (page.isCounted) unitsBefore[modelId] = _units(_feesOf(modelId, page));
    }

    /// @dev Parts of the page's fees for each role that has members.
    function _partsDown(Page memory page) internal pure returns (uint256 training, uint256 validators) {
        return RewardLib.splitDown(
            page.fees,
            page.trainingTotal == 0 ? 0 : page.trainingPpm,
            page.validatorTotal == 0 ? 0 : page.validatorPpm
        );
    }

    function _hostPart(Page memory page) internal pure returns (uint256) {
        (uint256 training, uint256 validators) = _partsDown(page);
        return page.fees - training - validators;
    }

    /// @dev Fees of each role since the table came into force.
    function _feesOf(ModelId modelId, Page memory page) internal view returns (RoleFees memory fees) {
        (uint256 training, uint256 validators) = _partsDown(page);
        if (page.hasLedger) fees = ledgers[modelId];
        fees.training += uint104(training);
        fees.validators += uint104(validators);
    }

    function _units(RoleFees memory fees) internal pure returns (uint256) {
        return uint256(fees.training) + fees.validators;
    }

    /// @dev Marks all that an operator earned and that was not split with its delegators as settled; the caller splits it.
    function _earn(address operator) internal returns (uint256 earned) {
        OperatorBook memory book = operatorBooks[operator];
        if (book.isWaiting) {
            earned = waitingOf[operator].unshared;
            if (earned != 0) waitingOf[operator].unshared = 0;
        }
        for (uint256 i; i < book.modelCount; ++i) {
            ModelId modelId = modelAt[operator][i];
            Page memory page = pages[modelId];
            RoleFees memory fees = _feesOf(modelId, page);
            Entry memory entry = entries[page.tableId][operator];
            uint256 part = _earnedDown(fees, page, entry);
            if (part == 0) continue;
            earned += part;
            entry.trainingSettled = fees.training;
            entry.validatorSettled = fees.validators;
            entries[page.tableId][operator] = entry;
        }
    }

    function _unsettledOf(address operator, OperatorBook memory book) internal view returns (uint256 earned) {
        if (book.isWaiting) earned = waitingOf[operator].unshared;
        for (uint256 i; i < book.modelCount; ++i) {
            ModelId modelId = modelAt[operator][i];
            Page memory page = pages[modelId];
            earned += _earnedDown(_feesOf(modelId, page), page, entries[page.tableId][operator]);
        }
    }

    /// @dev What an operator earned in a table since it was settled there.
    function _earnedDown(RoleFees memory fees, Page memory page, Entry memory entry) internal pure returns (uint256) {
        return RewardLib.earnedDown(
            entry.trainingSettled, fees.training, entry.trainingWeight, page.trainingTotal
        )
            + RewardLib.earnedDown(
                entry.validatorSettled, fees.validators, entry.validatorWeight, page.validatorTotal
            );
    }

    /// @dev How an operator's reward would be spread over its delegators.
    function _spread(OperatorBook memory book, uint256 earned, IStakeVault.Stake memory stake)
        internal
        pure
        returns (uint256 spread, uint256 perShare, uint256 carry)
    {
        uint256 part = RewardLib.delegatorsPartDown(earned, stake.sigmaPpm, stake.own, stake.delegated);
        return RewardLib.spreadDown(part, book.perShare, book.carry, stake.delegated);
    }

    /// @dev Splits an operator's reward with its delegators, by the stake it was earned with: the vault settles before
    ///      any stake changes, so present stake is that stake.
    /// @return ownPart what the caller has to credit or pay to the operator
    function _shareOut(address operator, uint256 earned, IStakeVault.Stake memory stake)
        internal
        returns (uint256 ownPart)
    {
        OperatorBook memory book = operatorBooks[operator];
        (uint256 spread, uint256 perShare, uint256 carry) = _spread(book, earned, stake);
        book.perShare = uint144(perShare);
        book.carry = uint96(carry);
        operatorBooks[operator] = book;
        ownPart = earned - spread;
        emit OperatorSettled(operator, ownPart, spread);
    }

    /// @dev Marks what waits as paid. The caller has taken what is unshared before.
    function _takeAccrued(address operator) internal returns (uint256 accrued) {
        OperatorBook storage book = operatorBooks[operator];
        if (!book.isWaiting) return 0;
        book.isWaiting = false;
        return waitingOf[operator].accrued;
    }

    /// @dev Lets rewards wait until the operator claims or is settled.
    function _wait(address operator, uint256 accrued, uint256 unshared) internal {
        Waiting memory waiting;
        if (operatorBooks[operator].isWaiting) waiting = waitingOf[operator];
        waiting.accrued += uint104(accrued);
        waiting.unshared += uint104(unshared);
        waitingOf[operator] = waiting;
        operatorBooks[operator].isWaiting = true;
    }

    /// @dev All that a delegator earned with an operator up to `perShare` and was not paid, times PER_SHARE_SCALE.
    function _dueScaled(
        DelegatorBook memory book,
        address delegator,
        address operator,
        uint256 delegation,
        uint256 perShare
    ) internal view returns (uint256 dueScaled) {
        // Below 2^96 * 2^144.
        unchecked {
            dueScaled = delegation * (perShare - book.perShareSettled) + book.fraction;
        }
        if (book.hasAccrued) dueScaled += delegatorAccrued[operator][delegator] * RewardLib.PER_SHARE_SCALE;
    }

    /// @dev The same with all that the operator earned until now.
    function _dueNow(DelegatorBook memory book, address delegator, address operator)
        internal
        view
        returns (uint256 perShare, uint256 dueScaled)
    {
        (IStakeVault.Stake memory stake, uint256 delegation) =
            IStakeVault(VAULT).stakeAndDelegationOf(operator, delegator);
        OperatorBook memory shares = operatorBooks[operator];
        (, perShare,) = _spread(shares, _unsettledOf(operator, shares), stake);
        dueScaled = _dueScaled(book, delegator, operator, delegation, perShare);
    }

    /// @dev Marks a delegator's earnings with an operator as paid.
    function _takeDelegator(address delegator, address operator) internal returns (uint256 gross) {
        DelegatorBook storage book = delegatorBooks[operator][delegator];
        (uint256 perShare, uint256 dueScaled) = _dueNow(book, delegator, operator);
        gross = dueScaled / RewardLib.PER_SHARE_SCALE;
        if (gross != 0) _putDelegator(book, perShare, dueScaled, false);
    }

    /// @dev Keeps a delegator's earnings, once its operator is settled and before its delegation changes.
    function _settleDelegator(address delegator, address operator, uint256 delegation) internal {
        DelegatorBook storage book = delegatorBooks[operator][delegator];
        uint256 perShare = operatorBooks[operator].perShare;
        if (perShare == book.perShareSettled) return;
        uint256 dueScaled = _dueScaled(book, delegator, operator, delegation, perShare);
        uint256 whole = dueScaled / RewardLib.PER_SHARE_SCALE;
        if (whole != 0) delegatorAccrued[operator][delegator] = whole;
        _putDelegator(book, perShare, dueScaled, whole != 0);
    }

    function _putDelegator(DelegatorBook storage book, uint256 perShare, uint256 dueScaled, bool hasAccrued) internal {
        book.perShareSettled = uint144(perShare);
        book.fraction = uint64(dueScaled % RewardLib.PER_SHARE_SCALE);
        book.hasAccrued = hasAccrued;
    }

    /// @dev A role is in strictly rising address order, so that nobody is in it twice.
    function _checkRole(Contributor[] calldata members) internal pure returns (uint256 totalWeight) {
        if (members.length > MAX_CONTRIBUTORS) revert TooManyContributors(members.length);
        address previous;
        for (uint256 i; i < members.length; ++i) {
            address account = members[i].account;
            if (account <= previous || members[i].weight == 0) revert ContributorInvalid(account);
            totalWeight += members[i].weight;
            previous = account;
        }
        if (totalWeight > type(uint24).max) revert WeightsTooLarge(totalWeight);
    }

    function _joinModel(address operator, ModelId modelId) internal {
        uint256 count = operatorBooks[operator].modelCount;
        if (count == MAX_TABLES_PER_OPERATOR) revert TooManyTables(operator);
        modelAt[operator][count] = modelId;
        operatorBooks[operator].modelCount = uint8(count + 1);
    }

    function _leaveModel(address operator, ModelId modelId) internal {
        uint256 last = operatorBooks[operator].modelCount - 1;
        uint256 place;
        while (modelAt[operator][place] != modelId) ++place;
        if (place != last) modelAt[operator][place] = modelAt[operator][last];
        operatorBooks[operator].modelCount = uint8(last);
    }

    /// @dev Ends the page and settles every member. Floors leave a remainder below the number of members: the host's.
    ///      `page` is not written here.
    function _closeTable(ModelId modelId, Page memory page) internal {
        _closeUnits(modelId, page);
        RoleFees memory fees = _feesOf(modelId, page);
        uint256 hostPart = _hostPart(page) + _units(fees);
        (Contributor[] memory training, Contributor[] memory validators) = membersOf(page.tableId);
        hostPart -= _closeRole(modelId, page, fees, training, false);
        hostPart -= _closeRole(modelId, page, fees, validators, true);
        if (hostPart != 0) hostBooks[modelId].base += uint128(hostPart);
        if (page.hasLedger) delete ledgers[modelId];
        page.fees = 0;
        page.hasLedger = false;
    }

    /// @dev An account in both roles is settled with its first.
    /// @return due what the members that leave here earned in both roles since the table came into force
    function _closeRole(
        ModelId modelId,
        Page memory page,
        RoleFees memory fees,
        Contributor[] memory members,
        bool isSecondRole
    ) internal returns (uint256 due) {
        for (uint256 i; i < members.length; ++i) {
            address operator = members[i].account;
            Entry memory entry = entries[page.tableId][operator];
            if (isSecondRole && entry.trainingWeight != 0) continue;
            uint256 earned = _earnedDown(fees, page, entry);
            if (earned != 0) _wait(operator, 0, earned);
            _leaveModel(operator, modelId);
            entry.trainingSettled = 0;
            entry.validatorSettled = 0;
            due += _earnedDown(fees, page, entry);
        }
    }

    /// @dev Books tokens that must already have arrived.
    function _reserve(uint256 amount) internal {
        if (amount > type(uint104).max) revert AmountTooLarge(amount);
        uint256 required = totals.reserves + amount;
        if (required > type(uint104).max) revert AmountTooLarge(required);
        uint256 held = PAYMENT_TOKEN.balanceOf(address(this));
        if (held < required) revert EscrowNotFunded(required, held);
        totals.reserves = uint104(required);
    }

    /// @dev Anyone may have a beneficiary paid at its own address; only the beneficiary may name another.
    function _receiver(address beneficiary, address to) internal view returns (address) {
        if (to == address(0)) return beneficiary;
        if (beneficiary != msg.sender) revert NotBeneficiary(beneficiary, msg.sender);
        return to;
    }

    /// @dev All books are settled before this call. The claim fee stays in reserves, owed to the treasury. Reserves fall only
    ///      after the tokens have left: a token that calls the receiver first would else show it tokens that nobody is owed,
    ///      and let it open a request with them.
    function _pay(address receiver, uint256 gross, uint256 claimFee) internal returns (uint256 net) {
        net = gross - claimFee;
        PAYMENT_TOKEN.safeTransfer(receiver, net);
        Totals memory current = totals;
        current.reserves -= uint104(net);
        current.treasuryOwed += uint104(claimFee);
        totals = current;
    }

    function _setClaimFees(ClaimFees memory newFees) internal {
        if (newFees.hostPpm > MAX_CLAIM_FEE_PPM) revert ClaimFeeTooHigh(newFees.hostPpm);
        if (newFees.operatorPpm > MAX_CLAIM_FEE_PPM) revert ClaimFeeTooHigh(newFees.operatorPpm);
        if (newFees.delegatorPpm > MAX_CLAIM_FEE_PPM) revert ClaimFeeTooHigh(newFees.delegatorPpm);
        hostClaimPpm = newFees.hostPpm;
        totals.operatorPpm = newFees.operatorPpm;
        totals.delegatorPpm = newFees.delegatorPpm;
        _noteFeeChange(newFees.operatorPpm < newFees.delegatorPpm ? newFees.operatorPpm : newFees.delegatorPpm);
        emit ClaimFeesSet(newFees);
    }

    /// @dev One entry a day, however often fees change.
    function _noteFeeChange(uint24 ppm) internal {
        uint256 count = feeChanges.length;
        FeeChange memory change = FeeChange(uint16(_today()), ppm, ppm);
        if (count != 0) {
            FeeChange memory latest = feeChanges[count - 1];
            if (latest.epoch == change.epoch) {
                if (latest.lowestPpm < ppm) change.lowestPpm = latest.lowestPpm;
                feeChanges[count - 1] = change;
                return;
            }
        }
        feeChanges.push(change);
    }

    function _setTreasury(address newTreasury) internal {
        if (newTreasury == address(0)) revert AddressMissing();
        treasury = newTreasury;
        emit TreasurySet(newTreasury);
    }
}
